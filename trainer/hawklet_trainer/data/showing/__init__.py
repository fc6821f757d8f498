"""A look at photos before anything is done with them: how many of what, how large, and what they look like.

It refuses nothing that can be looked at, however little it could be trained on. Pictures are gone through as a stream,
twice: counted, then sampled; only what is sampled is opened.

* :mod:`~hawklet_trainer.data.showing.sampling`: which pictures stand for the others.
* :mod:`~hawklet_trainer.data.showing.sizes`: figures of sizes, shapes and formats.
* :mod:`~hawklet_trainer.data.showing.contact_sheets`: small pictures and the mean picture of each class.
* :mod:`~hawklet_trainer.data.showing.survey`: all of that.
* :mod:`~hawklet_trainer.data.showing.page`, :mod:`~hawklet_trainer.data.showing.console`: how it is shown.
"""

"""What `import hawklet` offers is a promise; a change here is a change for users."""

from __future__ import annotations

import hawklet

PUBLIC = {
    "__version__",
    "Bundle",
    "Classification",
    "Classifier",
    "Frame",
    "HawkletError",
    "Prediction",
    "PreprocessSpec",
    "open_camera",
    "read_image",
}


def test_the_public_names_are_these_and_all_load() -> None:
    assert set(hawklet.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(hawklet, name) is not None


def test_every_error_says_what_it_is_and_has_an_exit_code() -> None:
    from hawklet import errors

    classes = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.HawkletError)]
    tree = errors.__doc__ or ""
    for cls in classes:
        assert cls.__name__ in tree, f"{cls.__name__} is missing in the tree of errors.py"
        assert cls.__doc__
        assert cls.exit_code == (2 if issubclass(cls, errors.UsageError) else 1)

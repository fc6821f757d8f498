"""From a Keras classifier to a bundle. Nothing here imports torch: Keras people have TensorFlow instead."""

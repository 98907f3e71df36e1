"""What every room may use: files, arguments, internals of Keras and TensorFlow."""

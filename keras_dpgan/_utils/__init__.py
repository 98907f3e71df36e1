"""Helpers for every room: files, arguments, internals of Keras and TensorFlow."""

"""Seeds that one thread replaces are no other thread's."""

import threading

import keras
import pytest
import tensorflow as tf

from keras_dpgan._utils.keras_internals import replaced_seeds

TIMEOUT = 20


def test_two_threads_that_overlap_draw_their_own_and_leave_keras_as_it_was():
    original = keras.random.SeedGenerator.next
    entered, left = threading.Event(), threading.Event()
    drawn = {}

    def first():
        with replaced_seeds(lambda number: tf.constant([1, number])):
            entered.set()
            assert other_entered.wait(TIMEOUT)
            drawn["first"] = draw()
        left.set()

    other_entered = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(TIMEOUT)
    with replaced_seeds(lambda number: tf.constant([2, number])):
        other_entered.set()
        # The first leaves before the second: what it found on entering was Keras'.
        assert left.wait(TIMEOUT)
        drawn["second"] = draw()
        with replaced_seeds(lambda number: tf.constant([3, number])):
            drawn["inner"] = draw()
        drawn["again"] = draw()
        drawn["elsewhere"] = in_a_thread(draw)
    thread.join()
    assert keras.random.SeedGenerator.next is original
    elsewhere = drawn.pop("elsewhere")
    assert drawn == {
        "first": [1, 1],
        "second": [2, 1],
        "inner": [3, 1],
        "again": [2, 2],
    }
    assert elsewhere == draw()


def test_an_error_inside_leaves_keras_as_it_was():
    original = keras.random.SeedGenerator.next
    with pytest.raises(KeyError):
        with replaced_seeds(lambda number: tf.constant([1, number])):
            raise KeyError
    assert keras.random.SeedGenerator.next is original


def draw():
    return keras.random.SeedGenerator(7).next().numpy().tolist()


def in_a_thread(function):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]

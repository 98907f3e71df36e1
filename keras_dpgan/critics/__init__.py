"""Critics whose records were summed up once: a generator may learn from them freely."""

from keras_dpgan.critics.release import release_critic as release_critic
from keras_dpgan.critics.released_critic import ReleasedCritic as ReleasedCritic

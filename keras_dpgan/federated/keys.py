"""Makes the keys of a federation: `python -m keras_dpgan.federated.keys --help`.

For tests and trials: all keys are made in one place. In earnest every party makes
its own and hands out the public part alone.
"""

import argparse
import collections.abc
import datetime
import hashlib
import ipaddress
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from keras_dpgan.federated import budget_vote
from keras_dpgan.federated import encryption
from keras_dpgan.federated import key_holder
from keras_dpgan.federated import masks
from keras_dpgan.federated import signatures

_VALID = datetime.timedelta(days=90)


def make_keys(
    folder: str | os.PathLike[str],
    num_clients: int,
    hosts: collections.abc.Sequence[str] = ("localhost",),
    addresses: collections.abc.Sequence[str] = ("127.0.0.1",),
) -> None:
    """Makes an authority, a server's certificate and the keys of all clients.

    Args:
        folder: The folder to write to; made where there is none. In it:
            `ca.crt`; `server.pem` and `server.key` for TLS; for each client
            `client-N.key` and `client-N.pub`, by which Flower knows a SuperNode,
            and `client-N.signing` and `client-N.verifying`, by which all others
            know it; the same four of the key holder; its secrets `holder.context`
            and `holder.votes`, and what clients encrypt sums and votes with,
            `public.context` and `public.votes`.
        num_clients: Int.
        hosts: The server's names. Defaults to `("localhost",)`.
        addresses: The server's IP addresses. Defaults to `("127.0.0.1",)`.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _make_certificates(folder, hosts, addresses)
    # A client of an older set would count as one of these.
    for path in folder.glob("client-*"):
        path.unlink()
    # The key holder is a SuperNode like the clients.
    for name in [f"client-{n}" for n in range(num_clients)] + ["holder"]:
        key = ec.generate_private_key(ec.SECP384R1())
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        _write_secret(folder / f"{name}.key", private)
        public = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        (folder / f"{name}.pub").write_bytes(public)
        signing = signatures.new_signing_key()
        _write_secret(folder / f"{name}.signing", signing)
        verifying = signatures.verifying_key(signing)
        (folder / f"{name}.verifying").write_bytes(verifying)
    votes = masks.new_key()
    _write_secret(folder / "holder.votes", votes)
    (folder / "public.votes").write_bytes(masks.public_key(votes))
    context = encryption.new_context()
    _write_secret(folder / "holder.context", context)
    (folder / "public.context").write_bytes(encryption.public_part(context))


def load_registry(folder: str | os.PathLike[str]) -> signatures.Registry:
    """The `Registry` of the clients whose public keys are in a folder."""
    paths = pathlib.Path(folder).glob("client-*.verifying")
    return signatures.Registry(path.read_bytes() for path in paths)


def load_key_holder(folder: str | os.PathLike[str], size: int) -> key_holder.KeyHolder:
    """The key holder of a folder of keys.

    Args:
        folder: A folder of `make_keys`.
        size: As in `KeyHolder`.

    Returns:
        A `KeyHolder`.
    """
    context = (pathlib.Path(folder) / "holder.context").read_bytes()
    return key_holder.KeyHolder(context, size, _opened(folder, context))


def load_vote_counter(
    folder: str | os.PathLike[str], threshold: int
) -> budget_vote.VoteCounter:
    """The key holder of a folder of keys as the one who counts votes.

    Args:
        folder: A folder of `make_keys`.
        threshold: As in `VoteCounter`.

    Returns:
        A `VoteCounter`.
    """
    private = (pathlib.Path(folder) / "holder.votes").read_bytes()
    registry, path = load_registry(folder), _opened(folder, private)
    return budget_vote.VoteCounter(private, registry, threshold, path)


def _opened(folder, secret):
    """The file of what a secret key has opened, in whatever run."""
    name = hashlib.sha256(secret).hexdigest()[:16]
    return pathlib.Path(folder) / f"opened-{name}"


def _make_certificates(folder, hosts, addresses):
    authority = ec.generate_private_key(ec.SECP384R1())
    name = _name("keras_dpgan test authority")
    certificate = _sign(name, name, authority.public_key(), authority, is_ca=True)
    (folder / "ca.crt").write_bytes(_pem(certificate))
    key = ec.generate_private_key(ec.SECP384R1())
    names = [x509.DNSName(host) for host in hosts]
    names += [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
    certificate = _sign(
        _name(hosts[0]), name, key.public_key(), authority, is_ca=False, names=names
    )
    (folder / "server.pem").write_bytes(_pem(certificate))
    _write_secret(folder / "server.key", _pem(key))


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _sign(subject, issuer, public_key, authority, is_ca, names=()):
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(is_ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
    return builder.sign(authority, hashes.SHA256())


def _pem(key_or_certificate):
    if isinstance(key_or_certificate, x509.Certificate):
        return key_or_certificate.public_bytes(serialization.Encoding.PEM)
    return key_or_certificate.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _write_secret(path, content):
    """Writes a file that its owner alone may read, from its beginning on."""
    # A file that is there would keep its mode, and its readers.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)


def main(arguments: collections.abc.Sequence[str] | None = None) -> None:
    """Makes the keys that are asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_dpgan.federated.keys", description=__doc__
    )
    parser.add_argument("folder", help="where to write")
    parser.add_argument("--num-clients", type=int, default=3)
    parser.add_argument("--host", action="append", default=[], help="of the server")
    given = parser.parse_args(arguments)
    make_keys(given.folder, given.num_clients, given.host or ("localhost",))
    print(f"Keys of {given.num_clients} clients and a server are in {given.folder}.")


if __name__ == "__main__":
    main()

"""Signed ciphertexts in messages, from clients and on to the key holder."""

from keras_dpgan.federated.flower import messages


def write(client, signature, ciphertexts, **facts):
    """What a client sends.

    Args:
        client: Bytes, its public key, by which the key holder knows it.
        signature: Bytes of `key_holder.sign`.
        ciphertexts: List of bytes.
        **facts: As in `messages.write`.

    Returns:
        A `flwr.app.RecordDict`.
    """
    parts = [client, signature, *ciphertexts]
    return messages.write([messages.from_bytes(part) for part in parts], **facts)


def join(answers, **facts):
    """What the server passes on of several clients.

    Args:
        answers: List of the lists of arrays that clients sent.
        **facts: As in `messages.write`.

    Returns:
        A `flwr.app.RecordDict`.
    """
    return messages.write(
        [array for arrays in answers for array in arrays],
        num_arrays=[len(arrays) for arrays in answers],
        **facts,
    )


def read(content):
    """What the key holder finds in a content of `join`.

    Returns:
        `(sent, facts)`: a dict from client to `(ciphertexts, signature)`, and a
        dict.
    """
    arrays, facts = messages.read(content)
    parts, sent = [array.tobytes() for array in arrays], {}
    for count in facts["num_arrays"]:
        (client, signature, *ciphertexts), parts = parts[:count], parts[count:]
        sent[client] = (ciphertexts, signature)
    return sent, facts

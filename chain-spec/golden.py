#!/usr/bin/env python3
"""Golden vectors of SPEC.md, computed from its words alone: no code is shared with the crate.

    golden.py           prints the block
    golden.py --check   compares it with the block in SPEC.md; exit 1 on a difference
    golden.py --write   rewrites the block in SPEC.md

Standard library only.
"""

import hashlib
import json
import pathlib
import struct
import sys

SPEC_MD = pathlib.Path(__file__).with_name("SPEC.md")
BEGIN, END = "<!-- golden:begin -->\n", "<!-- golden:end -->\n"


# Ed25519 by the definitions of RFC 8032, section 5.1. Slow and not constant in time: for vectors only.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def recover_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - square) % P == 0, "a point of the curve"
    return P - x if x % 2 != sign else x


BASE_Y = 4 * pow(5, -1, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)  # X, Y, Z, T with x = X/Z, y = Y/Z, x y = T/Z
NEUTRAL = (0, 1, 1, 0)


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, point):
    total = NEUTRAL
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def compress(point):
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def sha512_number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


class Key:
    """A key pair whose seed is one byte, 32 times."""

    def __init__(self, byte):
        expanded = hashlib.sha512(bytes([byte]) * 32).digest()
        scalar = int.from_bytes(expanded[:32], "little")
        self.scalar = scalar & (2**254 - 8) | 2**254
        self.prefix = expanded[32:]
        self.public = compress(times(self.scalar, BASE))

    def sign(self, message):
        r = sha512_number(self.prefix, message) % ORDER
        point = compress(times(r, BASE))
        challenge = sha512_number(point, self.public, message) % ORDER
        return point + ((r + challenge * self.scalar) % ORDER).to_bytes(32, "little")


# The encoding.


def u32(number):
    return struct.pack("<I", number)


def u64(number):
    return struct.pack("<Q", number)


def option(value, put=u64):
    return b"\0" if value is None else b"\1" + put(value)


def listed(items):
    return u64(len(items)) + b"".join(items)


def text(value):
    return u64(len(value)) + value.encode("ascii")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


ZERO = bytes(32)


# Trees.


def tree_root(leaves):
    if not leaves:
        return ZERO
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return sha256(tree_root(leaves[:left]), tree_root(leaves[left:]))


def tree_path(leaves, index):
    """Pairs of (side, sibling), from the leaf up."""
    if len(leaves) == 1:
        return []
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    if index < left:
        return tree_path(leaves[:left], index) + [("right", tree_root(leaves[left:]))]
    return tree_path(leaves[left:], index - left) + [("left", tree_root(leaves[:left]))]


def range_root(leaves):
    """The mountain range: perfect subtrees, hashed together from right to left."""
    peaks = []
    for at, leaf in enumerate(leaves):
        node = leaf
        while at % 2:
            node = sha256(peaks.pop(), node)
            at //= 2
        peaks.append(node)
    root = peaks.pop() if peaks else ZERO
    while peaks:
        root = sha256(peaks.pop(), root)
    return root


# Targets.


def expand(bits):
    size, mantissa = bits >> 24, bits & 0x7FFFFF
    return mantissa << 8 * (size - 3) if size > 3 else mantissa >> 8 * (3 - size)


def compact(target):
    size = (target.bit_length() + 7) // 8
    mantissa = target >> 8 * (size - 3) if size > 3 else target << 8 * (3 - size)
    if mantissa & 0x800000:
        mantissa, size = mantissa >> 8, size + 1
    return size << 24 | mantissa


def cut(numerator, denominator):
    """Division toward zero."""
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


def next_bits(parent, solve_time, block_time, limit):
    lag = min(solve_time, 12 * block_time) - block_time
    exponent = cut(lag * 65536, 20 * block_time)
    whole, f = exponent >> 16, exponent & 0xFFFF
    factor = 65536 + (195766423245049 * f + 971821376 * f**2 + 5127 * f**3 + 2**47 >> 48)
    shift = whole - 16
    target = expand(parent) * factor
    target = target << shift if shift >= 0 else target >> -shift
    return compact(max(1, min(target, expand(limit))))


def work(bits):
    return (2**256 // (expand(bits) + 1)).to_bytes(32, "big")


# The parties and the network.

ADMINS = [Key(byte) for byte in (0x01, 0x02, 0x03)]
NODES = [Key(byte) for byte in (0x11, 0x12, 0x13)]
NODE_4 = Key(0x14)
CONTROLLER, SUCCESSOR, OPERATOR, DEVICE = Key(0x21), Key(0x22), Key(0x31), Key(0x41)

BLOCK_TIME, BITS, LIMIT, FINALITY = 1000, 0x2007FFFF, 0x207FFFFF, 720
GENESIS_TIME = 1_700_000_000_000

SPEC = (
    text("golden")
    + u64(GENESIS_TIME)
    + listed([node.public for node in NODES])
    + u64(BLOCK_TIME)
    + u32(BITS)
    + u32(LIMIT)
    + u64(FINALITY)
    + u32(2)
    + listed([admin.public for admin in ADMINS])
)
SPEC_HASH = sha256(SPEC)
TAG = SPEC_HASH[:4]

NODE, CONTROL, OPERATE, DEVICES = range(4)


def entry(key, role, owner=None, admitted=0, ready=None, suspect=None, revoked=None):
    return (
        key.public
        + u32(role)
        + option(owner and owner.public, bytes)
        + u64(admitted)
        + option(ready)
        + option(suspect)
        + option(revoked)
    )


def leaf(encoded):
    return sha256(b"\0", encoded)


def header(height, parent, tx_root, commitments, tx_count, time, bits, miner, nonce):
    return (
        u32(1)
        + u64(height)
        + parent
        + tx_root
        + commitments
        + u32(tx_count)
        + u64(time)
        + u32(bits)
        + TAG
        + miner
        + u64(nonce)
    )


def block_hash(encoded):
    return sha256(sha256(encoded))


def governance(admins, threshold, tuning, planned=None, activations=()):
    """`planned` is block time, finality depth, height; `activations` are rule and height."""
    return (
        u32(threshold)
        + listed([admin.public for admin in admins])
        + b"".join(map(u64, tuning))
        + option(planned, lambda plan: b"".join(map(u64, plan)))
        + listed([u32(rule) + u64(height) for rule, height in activations])
    )


NODE_ENTRIES = [entry(node, NODE, ready=0) for node in NODES]
GOVERNANCE = governance(ADMINS, 2, (BLOCK_TIME, FINALITY))


def nodes_root(entries):
    return tree_root([leaf(GOVERNANCE), *map(leaf, entries)])


NODES_ROOT = nodes_root(NODE_ENTRIES)
GENESIS = header(0, ZERO, SPEC_HASH, sha256(ZERO, NODES_ROOT, ZERO), 0, GENESIS_TIME, BITS, ZERO, 0)
CHAIN_ID = block_hash(GENESIS)


def preimage(purpose, body):
    return b"dronechain/%s/1\0" % purpose + CHAIN_ID + body


def transaction(sender, sequence, action, keys):
    body = (u32(0) if sender is None else u32(1) + sender.public) + u64(sequence) + action
    approvals = [key.public + key.sign(preimage(b"tx", body)) for key in keys]
    return body + listed(approvals)


def by_admins(sequence, action):
    return transaction(None, sequence, action, [ADMINS[0], ADMINS[2]])


def by(key, sequence, action):
    return transaction(key, sequence, action, [key])


def claim(owner, device, kind, area):
    return owner.public + device.public + text(kind) + text(area)


CLAIM = claim(CONTROLLER, DEVICE, "multicopter", "field 7")
POSSESSION = DEVICE.sign(preimage(b"possession", CLAIM))
SUCCESSION = SUCCESSOR.sign(preimage(b"possession", claim(CONTROLLER, SUCCESSOR, "", "")))

LEAVES = [sha256(letter) for letter in (b"a", b"b", b"c", b"d", b"e")]
BATCH_ROOT = tree_root(LEAVES)
DATA, COMMAND, ACCESS = range(3)


def anchor(kind, root, count, first, last):
    return u32(9) + u32(kind) + root + u32(count) + u64(first) + u64(last)


ANCHOR = by(CONTROLLER, 0, anchor(DATA, BATCH_ROOT, 5, GENESIS_TIME, GENESIS_TIME + 4000))
HEARTBEAT = by(CONTROLLER, 1, anchor(COMMAND, ZERO, 0, 0, 0))
ADMIT = by_admins(0, u32(0) + u32(CONTROL) + CONTROLLER.public)

TRANSACTIONS = {
    "admit": ADMIT,
    "revoke": by_admins(1, u32(1) + NODES[2].public + u64(7)),
    "set-admins": by_admins(2, u32(2) + u32(1) + listed([ADMINS[0].public, ADMINS[1].public])),
    "set-parameters": by_admins(3, u32(3) + u64(5000) + u64(1000) + u64(100)),
    "activate": by_admins(4, u32(4) + u32(17) + u64(200)),
    "enrol": by(
        CONTROLLER, 2, u32(5) + DEVICE.public + text("multicopter") + text("field 7") + POSSESSION
    ),
    "revoke-device": by(CONTROLLER, 3, u32(6) + DEVICE.public + u64(9)),
    "succeed": by(CONTROLLER, 4, u32(7) + SUCCESSOR.public + SUCCESSION),
    "ready": by(NODE_4, 0, u32(8)),
    "anchor": ANCHOR,
    "anchor-heartbeat": HEARTBEAT,
    "anchor-access": by(OPERATOR, 0, anchor(ACCESS, LEAVES[0], 1, 0, 0)),
}


# Block 1: the admins admit the controller, which anchors five leaves; then the receipt of leaf 3.

ACCOUNT = entry(CONTROLLER, CONTROL, admitted=1)
HISTORY_1, ACCOUNTS_1 = range_root([CHAIN_ID]), tree_root([leaf(ACCOUNT)])
COMMITMENTS_1 = sha256(HISTORY_1, NODES_ROOT, ACCOUNTS_1)
TXIDS = [sha256(ADMIT), sha256(ANCHOR)]


def mined(miner, transactions, commitments):
    """The first block's header and its signature."""
    nonce, root = 0, tree_root([sha256(encoded) for encoded in transactions])
    while True:
        fields = (1, CHAIN_ID, root, commitments, len(transactions), GENESIS_TIME + 1500, BITS)
        encoded = header(*fields, miner.public, nonce)
        if int.from_bytes(block_hash(encoded), "big") <= expand(BITS):
            return encoded, miner.sign(preimage(b"block", block_hash(encoded)))
        nonce += 1


HEADER_1, SIGNATURE_1 = mined(NODES[1], [ADMIT, ANCHOR], COMMITMENTS_1)
HASH_1 = block_hash(HEADER_1)
SIGNED_1 = HEADER_1 + SIGNATURE_1


# Another block 1, by the same node: the admins admit the controller, then node 3, which light clients see.

ADMIT_NODE = by_admins(1, u32(0) + u32(NODE) + NODE_4.public)
OTHERS = [ADMIT, ADMIT_NODE]
ROOTS_OTHER = HISTORY_1 + nodes_root([*NODE_ENTRIES, entry(NODE_4, NODE, admitted=1)]) + ACCOUNTS_1
SIGNED_OTHER = b"".join(mined(NODES[1], OTHERS, sha256(ROOTS_OTHER)))
SIDES = {"left": 0, "right": 1}


def path_bytes(path):
    return listed([u32(SIDES[side]) + sibling for side, sibling in path])


SHOWN = u32(1) + path_bytes(tree_path([sha256(encoded) for encoded in OTHERS], 1)) + ADMIT_NODE
LINK_PLAIN = SIGNED_1 + HISTORY_1 + NODES_ROOT + ACCOUNTS_1 + listed([])
LINK_CHANGE = SIGNED_OTHER + ROOTS_OTHER + listed([SHOWN])


def evidence(kind, pair, name):
    return u32(kind) + b"".join(sorted(pair, key=name))


OTHER_ANCHOR = by(CONTROLLER, 0, anchor(DATA, LEAVES[0], 1, 0, 0))


def promise(node, txid, sequence, root, tip, height):
    """By a node, of a transaction of the controller."""
    sender = u32(1) + CONTROLLER.public
    body = CHAIN_ID + node.public + txid + sender + u64(sequence) + root + tip + u64(height) + u64(height + 120)
    return body + node.sign(preimage(b"promise", body))


PROMISE = promise(NODES[0], sha256(ANCHOR), 0, BATCH_ROOT, CHAIN_ID, 0)
PREVIOUS = u64(1) + u32(1) + path_bytes(tree_path(TXIDS, 1)) + ANCHOR
BROKEN_FIRST = PROMISE + b"\0" + listed([listed([]), listed(TXIDS)]) + b"\0"
BROKEN_NEXT = (
    promise(NODES[0], sha256(HEARTBEAT), 1, ZERO, HASH_1, 1)
    + (b"\1" + PREVIOUS)
    + listed([listed([])])
    + (b"\1" + u64(121) + ACCOUNT + path_bytes([("left", LEAVES[0])]))
)


def path_json(path):
    return [{side: sibling.hex()} for side, sibling in path]


def receipt(index):
    entry_json = {
        "key": CONTROLLER.public.hex(),
        "role": "controller",
        "owner": None,
        "admitted": 1,
        "ready": None,
        "suspect_since": None,
        "revoked": None,
    }
    commitments = {"history": HISTORY_1.hex(), "nodes": NODES_ROOT.hex(), "accounts": ACCOUNTS_1.hex()}
    authority = {
        "height": 1,
        "commitments": commitments,
        "sender": {"entry": entry_json, "path": []},
    }
    anchor_proof = {
        "transaction": ANCHOR.hex(),
        "txIndex": 1,
        "blockPath": path_json(tree_path(TXIDS, 1)),
        "height": 1,
        "header": SIGNED_1.hex(),
        "authority": authority,
    }
    extension = {
        "version": 1,
        "chainId": CHAIN_ID.hex(),
        "index": index,
        "leafCount": 5,
        "anchor": anchor_proof,
    }
    document = {
        "@context": "https://w3id.org/chainpoint/v2",
        "type": "ChainpointSHA256v2",
        "targetHash": LEAVES[index].hex(),
        "merkleRoot": BATCH_ROOT.hex(),
        "proof": path_json(tree_path(LEAVES, index)),
        "anchors": [{"type": "DroneChain", "sourceId": TXIDS[1].hex(), "dronechain": extension}],
    }
    return json.dumps(document, separators=(",", ":"))


NEXT_BITS = [
    (0x1E7FFFFF, 1000, 1000, 0x2007FFFF),
    (0x1E7FFFFF, 0, 1000, 0x2007FFFF),
    (0x1E7FFFFF, 1, 1000, 0x2007FFFF),
    (0x1E7FFFFF, 2500, 1000, 0x2007FFFF),
    (0x1E7FFFFF, 12000, 1000, 0x2007FFFF),
    (0x1E7FFFFF, 43_200_000, 1000, 0x2007FFFF),
    (0x2007FFFF, 9000, 1000, 0x2007FFFF),
    (0x1D00FFFF, 4999, 5000, 0x207FFFFF),
    (0x1B0404CB, 17_000, 5000, 0x207FFFFF),
    (0x01010000, 0, 5000, 0x207FFFFF),
]


def rows():
    for name, key in [
        *[(f"admin-{at}", key) for at, key in enumerate(ADMINS)],
        *[(f"node-{at}", key) for at, key in enumerate([*NODES, NODE_4])],
        ("controller", CONTROLLER),
        ("successor", SUCCESSOR),
        ("operator", OPERATOR),
        ("device", DEVICE),
    ]:
        yield f"key.{name}", key.public.hex()
    yield "key.device.id", sha256(DEVICE.public).hex()

    yield "spec.bytes", SPEC.hex()
    yield "spec.hash", SPEC_HASH.hex()
    yield "network.tag", TAG.hex()
    yield "genesis.header", GENESIS.hex()
    yield "chain-id", CHAIN_ID.hex()

    for purpose in (b"tx", b"block", b"possession", b"record", b"promise"):
        yield f"preimage.{purpose.decode()}", preimage(purpose, b"body").hex()
    yield "possession.claim", CLAIM.hex()
    yield "possession.signature", POSSESSION.hex()

    for name, encoded in TRANSACTIONS.items():
        yield f"tx.{name}", encoded.hex()
        yield f"tx.{name}.id", sha256(encoded).hex()

    for name, encoded in [
        ("node", NODE_ENTRIES[0]),
        ("controller", ACCOUNT),
        ("device-revoked", entry(DEVICE, DEVICES, CONTROLLER, 2, None, 3, 5)),
        ("node-revoked", entry(NODE_4, NODE, None, 2, 3, 4, 5)),
        ("successor", entry(SUCCESSOR, CONTROL, CONTROLLER, 6)),
    ]:
        yield f"entry.{name}", encoded.hex()
        yield f"entry.{name}.leaf", leaf(encoded).hex()
    plan = (5000, 1000, 100)
    for name, encoded in [
        ("genesis", GOVERNANCE),
        ("planned", governance(ADMINS[1:], 1, (BLOCK_TIME, FINALITY), plan, [(9, 300), (17, 200)])),
    ]:
        yield f"governance.{name}", encoded.hex()
        yield f"governance.{name}.leaf", leaf(encoded).hex()
    yield "roster.genesis", (GOVERNANCE + listed(NODE_ENTRIES) + u64(0)).hex()
    yield "roster.genesis.root", NODES_ROOT.hex()
    yield "commitments.genesis", sha256(ZERO, NODES_ROOT, ZERO).hex()
    yield "commitments.1", COMMITMENTS_1.hex()

    yield "batch.root", BATCH_ROOT.hex()
    for index in range(5):
        path = tree_path(LEAVES, index)
        yield f"batch.path.{index}", " ".join(f"{side}:{sibling.hex()}" for side, sibling in path)
    for count in range(9):
        yield f"range.root.{count}", range_root([sha256(bytes([at])) for at in range(count)]).hex()

    yield "block-1.header", HEADER_1.hex()
    yield "block-1.hash", HASH_1.hex()
    yield "block-1.signature", SIGNATURE_1.hex()
    yield "block-1.bytes", (SIGNED_1 + listed([ADMIT, ANCHOR])).hex()

    for bits in (0x01010000, 0x0300FFFF, 0x1D00FFFF, 0x1E7FFFFF, 0x2007FFFF, 0x2100FFFF):
        yield f"target.{bits:08x}", expand(bits).to_bytes(32, "big").hex()
        yield f"work.{bits:08x}", work(bits).hex()
    for parent, solve_time, block_time, limit in NEXT_BITS:
        name = f"next-bits.{parent:08x}.{solve_time}.{block_time}.{limit:08x}"
        yield name, f"{next_bits(parent, solve_time, block_time, limit):08x}"

    yield "request.status", u32(0).hex()
    yield "request.headers", (u32(1) + listed([HASH_1, CHAIN_ID])).hex()
    yield "request.blocks", (u32(2) + listed([HASH_1])).hex()
    yield "request.body", (u32(3) + BATCH_ROOT + u32(5)).hex()
    status = CHAIN_ID + HASH_1 + u64(1) + work(BITS) + u64(GENESIS_TIME + 2000)
    yield "response.status", (u32(0) + status).hex()
    yield "response.headers", (u32(1) + listed([LINK_PLAIN, LINK_CHANGE])).hex()
    yield "response.blocks", (u32(2) + listed([SIGNED_1 + listed([ADMIT, ANCHOR])])).hex()
    yield "response.body", (u32(3) + b"\1" + listed(LEAVES)).hex()
    yield "response.body.none", (u32(3) + b"\0").hex()
    yield "submission.anchor", (ANCHOR + b"\1" + listed(LEAVES)).hex()
    yield "submission.heartbeat", (HEARTBEAT + b"\0").hex()
    yield "batch-body", listed(LEAVES).hex()

    yield "link.plain", LINK_PLAIN.hex()
    yield "link.change", LINK_CHANGE.hex()
    two_blocks = evidence(0, [SIGNED_1, SIGNED_OTHER], lambda signed: block_hash(signed[:168]))
    two_transactions = evidence(1, [ANCHOR, OTHER_ANCHOR], sha256)
    for name, encoded in [("blocks", two_blocks), ("transactions", two_transactions)]:
        yield f"evidence.{name}", encoded.hex()
        yield f"evidence.{name}.id", sha256(encoded).hex()
    yield "promise", PROMISE.hex()
    yield "broken-promise.first", BROKEN_FIRST.hex()
    yield "broken-promise.next", BROKEN_NEXT.hex()
    head = b"DRONECHAIN HEADERS 2\n" + u32(len(SPEC)) + SPEC
    yield "headers-file.head", head.hex()
    yield "headers-file.1", (head + u32(len(LINK_PLAIN)) + LINK_PLAIN).hex()
    roster = GOVERNANCE + listed(NODE_ENTRIES) + u64(0)
    checkpoint = SPEC + LINK_PLAIN + roster + work(BITS) + u64(GENESIS_TIME) + listed([])
    yield "checkpoint.1", checkpoint.hex()
    yield "checkpoint.1.id", sha256(checkpoint).hex()
    yield "receipt.3", receipt(3)


def main(arguments):
    if arguments not in ([], ["--check"], ["--write"]):
        sys.exit("usage: golden.py [--check | --write]")
    block = "```golden\n" + "".join(f"{name} = {value}\n" for name, value in rows()) + "```\n"
    if not arguments:
        print(block, end="")
        return
    document = SPEC_MD.read_text(encoding="utf-8")
    before, found = document.split(BEGIN)
    found, after = found.split(END)
    if arguments == ["--write"]:
        SPEC_MD.write_text(before + BEGIN + block + END + after, encoding="utf-8")
    elif found != block:
        for ours, theirs in zip(block.splitlines(), found.splitlines()):
            if ours != theirs:
                print(f"computed: {ours}\nSPEC.md:  {theirs}", file=sys.stderr)
        sys.exit("the golden block of SPEC.md is another than computed: golden.py --write")


if __name__ == "__main__":
    main(sys.argv[1:])

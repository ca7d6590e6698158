// Recomputes a receipt in the browser: every SHA-256 from the record's hash to the block's hash, beside the values
// that the node gives. Signatures and registrations are the node's part.

import { fromHex, sha256, toHex } from './sha256.js';

// Where fields stand in the bytes of an anchor transaction and of a header.
const ACTION_AT = 44;
const ANCHOR = 9;
const ROOT_AT = 52;
const LEAVES_AT = 84;
const TX_ROOT_AT = 44;
const TX_COUNT_AT = 108;
const BITS_AT = 120;
const HEADER_LEN = 168;

// The sides of the neighbours on the way up from leaf `index` of `count`.
function sides(index, count) {
  const found = [];
  for (let [at, width] = [index, count]; width > 1; at = Math.floor(at / 2), width = Math.ceil(width / 2)) {
    const sibling = at % 2 === 0 ? at + 1 : at - 1;
    if (sibling < width) found.push(sibling < at ? 'left' : 'right');
  }
  return found;
}

function climb(tree, leaf, path, steps) {
  let node = leaf;
  path.forEach((step, at) => {
    const parts = 'left' in step ? [fromHex(step.left), node] : [node, fromHex(step.right)];
    node = sha256(...parts);
    steps.push({ name: `${tree}-${at}`, value: toHex(node) });
  });
  return node;
}

function fits(path, index, count) {
  const found = path.map((step) => ('left' in step ? 'left' : 'right'));
  return index < count && found.join() === sides(index, count).join();
}

// The largest number that the block's hash may be, from its compact form.
function target(bits) {
  const size = bits >>> 24;
  const mantissa = BigInt(bits & 0x7fffff);
  return size <= 3 ? mantissa >> BigInt(8 * (3 - size)) : mantissa << BigInt(8 * (size - 3));
}

// Every step with its value and, where it can be wrong by itself, why it is.
function walked(receipt) {
  const { sourceId, dronechain } = receipt.anchors[0];
  const { index, leafCount, anchor } = dronechain;
  const steps = [];
  const put = (name, bytes, fault) => steps.push({ name, value: toHex(bytes), fault });

  const record = fromHex(receipt.targetHash);
  put('record', record);
  const root = climb('proof', record, receipt.proof, steps);
  const isRoot = toHex(root) === receipt.merkleRoot;
  const isLeaf = fits(receipt.proof, index, leafCount);
  put('root', root, !isRoot ? 'not the root of the receipt' : !isLeaf && 'the path is not that of the leaf');

  const transaction = fromHex(anchor.transaction);
  const view = new DataView(transaction.buffer);
  const txid = sha256(transaction);
  const isAnchor =
    transaction.length > LEAVES_AT + 4 &&
    view.getUint32(ACTION_AT, true) === ANCHOR &&
    toHex(transaction.subarray(ROOT_AT, ROOT_AT + 32)) === receipt.merkleRoot &&
    view.getUint32(LEAVES_AT, true) === leafCount;
  const isNamed = toHex(txid) === sourceId;
  put('txid', txid, !isNamed ? 'not the source id of the receipt' : !isAnchor && 'it does not anchor this root');

  const header = fromHex(anchor.header).subarray(0, HEADER_LEN);
  const fields = new DataView(header.buffer);
  const txRoot = climb('block', txid, anchor.blockPath, steps);
  const isTxRoot = toHex(txRoot) === toHex(header.subarray(TX_ROOT_AT, TX_ROOT_AT + 32));
  const isPlace = fits(anchor.blockPath, anchor.txIndex, fields.getUint32(TX_COUNT_AT, true));
  put('txroot', txRoot, !isTxRoot ? 'not the root in the header' : !isPlace && 'the path is not that of the place');

  const hash = sha256(sha256(header));
  const isWork = BigInt(`0x${toHex(hash)}`) <= target(fields.getUint32(BITS_AT, true));
  put('hash', hash, !isWork && 'it does not meet its target');
  return { steps, hash: toHex(hash), height: anchor.height };
}

function marked({ name, value, fault }) {
  const place = document.querySelector(`[data-step="${name}"]`);
  const theirs = place?.querySelector('code')?.textContent;
  const why = theirs !== value ? `this browser finds ${value}` : fault;
  if (place) {
    const mark = document.createElement('span');
    mark.className = `mark ${why ? 'bad' : 'good'} browser`;
    mark.textContent = why ? `✗ ${why}` : '✓ same in this browser';
    place.append(' ', mark);
  }
  return why;
}

async function chainHas(height, hash) {
  const answer = await fetch(`/v1/header/${height}`);
  return answer.ok && (await answer.json()).hash === hash;
}

function tell(isGood, text) {
  const place = document.getElementById('recomputed');
  place.className = `mark ${isGood ? 'good' : 'bad'}`;
  place.textContent = `${isGood ? '✓' : '✗'} ${text}`;
}

export async function recompute() {
  const source = document.getElementById('receipt-json');
  if (!source || source.dataset.recomputed) return;
  source.dataset.recomputed = 'yes';
  try {
    const { steps, hash, height } = walked(JSON.parse(source.textContent));
    const faults = steps.map((step) => marked(step)).filter(Boolean);
    const known = await chainHas(height, hash);
    if (faults.length > 0) {
      tell(false, `This browser recomputed ${steps.length} steps and finds the fault too: ${faults[0]}.`);
    } else if (!known) {
      tell(false, `Every step gives what it should, but this node's chain has another block at height ${height}.`);
    } else {
      tell(
        true,
        `This browser recomputed all ${steps.length} steps from the record's hash to the block's: each gives the same value, ` +
          `and this node's chain has that block at height ${height}. Signatures and registrations are checked by the node.`,
      );
    }
  } catch (error) {
    tell(false, `This browser cannot recompute the receipt: ${error.message}.`);
  }
}

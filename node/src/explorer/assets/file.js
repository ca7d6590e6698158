// Files are hashed here and not sent, chosen or dropped on a page; but for a receipt, which goes with its form.

import { Sha256, toHex } from './sha256.js';

async function hashed(file) {
  const hash = new Sha256();
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return toHex(hash.digest());
    hash.update(value);
  }
}

function tell(text) {
  document.getElementById('notice').textContent = text;
}

async function find(file) {
  tell(`Hashing ${file.name}…`);
  window.location.assign(`/receipt/${await hashed(file)}`);
}

// What becomes of a file, by where it is chosen.
const takers = {
  search: find,
  async record(file) {
    document.getElementById('record').value = await hashed(file);
  },
};

// Takes the place of a receipt that was pasted.
function attach(file) {
  const one = new DataTransfer();
  one.items.add(file);
  document.getElementById('file').files = one.files;
  document.getElementById('receipt').value = '';
  tell(`${file.name} is the receipt to be checked.`);
}

function take(taker, file) {
  if (file) taker(file).catch((error) => tell(`${file.name} could not be read: ${error.message}`));
}

export function files() {
  document.querySelectorAll('[data-file]').forEach((label) => {
    label.hidden = false;
    const input = label.querySelector('input');
    input.addEventListener('change', () => take(takers[label.dataset.file], input.files[0]));
  });
  document.addEventListener('dragover', (event) => {
    if (event.dataTransfer.types.includes('Files')) event.preventDefault();
  });
  document.addEventListener('drop', (event) => {
    const [file] = event.dataTransfer.files;
    // The field for a file takes one by itself.
    if (!file || event.target.type === 'file') return;
    event.preventDefault();
    if (event.target.id === 'record') take(takers.record, file);
    else if (event.target.closest?.('form.check')) attach(file);
    else take(takers.search, file);
  });
}

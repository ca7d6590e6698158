// What the pages gain by a script: they stay up to date, hash files, and recompute receipts.

import { files } from './file.js';
import { live } from './live.js';
import { recompute } from './receipt.js';

// Only where the browser lets pages write to the clipboard: on this machine, or over TLS.
function copies() {
  if (!navigator.clipboard) return;
  document.querySelectorAll('[data-copy]:not([data-copies])').forEach((code) => {
    code.dataset.copies = 'yes';
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    });
    code.after(' ', button);
  });
}

live();
files();
recompute();
copies();
document.addEventListener('refreshed', () => {
  recompute();
  copies();
});

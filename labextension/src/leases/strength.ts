/** Pure rules: how strongly leases are enforced, in words. */

import type { Words } from '../format';
import type { Strength } from '../wire';

export function strengthWord(strength: Strength, words: Words): string {
  switch (strength) {
    case 'off':
      return words.__('not enforced');
    case 'advisory':
      return words.__('advisory');
    case 'guarded':
      return words.__('guarded');
    case 'isolated':
      return words.__('isolated');
  }
}

/** What the word promises, and what it doesn't. */
export function strengthMeaning(strength: Strength, words: Words): string {
  switch (strength) {
    case 'off':
      return words.__(
        'Not enforced: kernels are left as they are, and see every GPU.'
      );
    case 'advisory':
      return words.__(
        'Advisory: kernels are told which GPUs are theirs. A program that takes another is not stopped.'
      );
    case 'guarded':
      return words.__(
        'Guarded: a program on a GPU that it doesn’t hold is warned, then stopped.'
      );
    case 'isolated':
      return words.__(
        'Isolated: it runs in a container that has these GPUs and no others.'
      );
  }
}

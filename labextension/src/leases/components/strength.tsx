/** How strongly a lease is enforced, in one quiet word. */

import * as React from 'react';

import type { Words } from '../../format';
import type { Strength } from '../../wire';
import { strengthMeaning, strengthWord } from '../strength';

export function StrengthWord(props: {
  strength: Strength;
  words: Words;
}): React.JSX.Element {
  const { strength, words } = props;
  return (
    <span className="gpuctl-Strength" title={strengthMeaning(strength, words)}>
      {words.__('· %1', strengthWord(strength, words))}
    </span>
  );
}

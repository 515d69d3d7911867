/** What an administrator is asked before somebody's lease is ended. */

import * as React from 'react';

import type { Words } from '../../format';

export interface IRevokeFormProps {
  readonly words: Words;
  /** What is lost, and by whom. */
  readonly loss: string;
  readonly onReason: (reason: string) => void;
}

export function RevokeForm(props: IRevokeFormProps): React.JSX.Element {
  const { words, loss, onReason } = props;
  return (
    <div className="gpuctl-Form">
      <p>{loss}</p>
      <div className="gpuctl-Form-row">
        <label htmlFor="gpuctl-Revoke-reason">{words.__('Reason')}</label>
        <div className="gpuctl-Form-fields">
          <input
            id="gpuctl-Revoke-reason"
            className="jp-mod-styled"
            type="text"
            required
            pattern=".*\S.*"
            title={words.__(
              'Say why: the owner is told, and the audit keeps it.'
            )}
            maxLength={500}
            autoComplete="off"
            placeholder={words.__('told to the owner')}
            onChange={event => {
              onReason(event.target.value.trim());
            }}
          />
        </div>
      </div>
    </div>
  );
}

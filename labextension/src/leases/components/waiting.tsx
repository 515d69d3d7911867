/** The queue, in its order: who waits for what, and when it may start. */

import { closeIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { LeaseAnswer } from '../../wire';
import { localTimes } from '../local-times';
import { keyOf } from '../rows';
import { estimate, who, why } from '../sentences';
import { gpus } from '../times';
import type { ILeaseContext } from './context';

export function Waiting(props: { context: ILeaseContext }): React.JSX.Element {
  const { context } = props;
  const { waiting } = context.state.rows;
  if (waiting.length === 0) {
    return (
      <p className="gpuctl-Empty">
        {context.words.__(
          'Nobody. Requests that can’t start yet stand here in their order.'
        )}
      </p>
    );
  }
  return (
    <ol className="gpuctl-Queue">
      {waiting.map(lease => (
        <Line key={keyOf(lease)} context={context} lease={lease} />
      ))}
    </ol>
  );
}

function Line(props: {
  context: ILeaseContext;
  lease: LeaseAnswer;
}): React.JSX.Element {
  const { context, lease } = props;
  const { words, now, actions } = context;
  const when = estimate(lease, now, words);
  const name = who(lease, words);
  return (
    <li
      className="gpuctl-Queue-item"
      data-mine={lease.mine}
      title={localTimes(why(lease.verdict), now, words)}
    >
      <span className="gpuctl-Queue-place">
        {lease.position === null ? '' : words.__('%1.', lease.position)}
      </span>
      <span className="gpuctl-Queue-who">{name}</span>
      <span className="gpuctl-Queue-what">{gpus(lease.gpus, words)}</span>
      <span className="gpuctl-Queue-when">{when}</span>
      {lease.mine && (
        <button
          type="button"
          className="gpuctl-Icon"
          aria-label={words.__('Leave the line')}
          title={context.blocked || words.__('Leave the line')}
          aria-disabled={
            context.blocked !== '' || context.state.busy.has(lease.id)
          }
          onClick={() => {
            if (!context.blocked) {
              actions.cancel(lease);
            }
          }}
        >
          <closeIcon.react tag="span" width="14px" height="14px" />
        </button>
      )}
    </li>
  );
}

/** Who did what to whose lease, newest first, asked for when this is opened. */

import * as React from 'react';

import { logLine } from '../log';
import { clock } from '../times';
import type { ILeaseContext } from './context';
import { Older } from './older';

export function Log({
  context
}: {
  context: ILeaseContext;
}): React.JSX.Element {
  const { words, log, now, actions, state } = context;
  const user = state.quota?.user ?? '';
  return (
    <>
      <ul className="gpuctl-History">
        {log.items.map(row => {
          const line = logLine(row, user, words);
          const lease = row.lease_id?.replace(/^0+/, '');
          return (
            <li
              key={row.id}
              className="gpuctl-Past"
              title={lease ? words.__('%1\nLease %2', line, lease) : line}
            >
              <span className="gpuctl-Past-what">{line}</span>
              <span className="gpuctl-Past-when">
                {clock(row.time, now, words)}
              </span>
            </li>
          );
        })}
      </ul>
      <Older
        context={context}
        pages={log}
        empty={words.__(
          'Nothing yet. What is done to your leases stands here, and by whom.'
        )}
        load={actions.loadLog}
      />
    </>
  );
}

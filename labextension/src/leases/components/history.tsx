/** The caller's ended leases (an administrator's: everybody's), asked for when this is opened. */

import * as React from 'react';

import type { LeaseAnswer } from '../../wire';
import { keyOf } from '../rows';
import { asked, devices, ending, who } from '../sentences';
import { clock, gpuHours } from '../times';
import type { ILeaseContext } from './context';
import { Older } from './older';

export function History(props: { context: ILeaseContext }): React.JSX.Element {
  const { context } = props;
  const { words, history, actions } = context;
  return (
    <>
      <ul className="gpuctl-History">
        {history.items.map(lease => (
          <Line key={keyOf(lease)} context={context} lease={lease} />
        ))}
      </ul>
      <Older
        context={context}
        pages={history}
        empty={words.__(
          'Nothing yet. Leases that have ended stand here, with what they have cost.'
        )}
        load={actions.loadHistory}
      />
    </>
  );
}

function Line(props: {
  context: ILeaseContext;
  lease: LeaseAnswer;
}): React.JSX.Element {
  const { words, now, label } = props.context;
  const { lease } = props;
  const why = [ending(lease, words), lease.remark].filter(Boolean).join(': ');
  const where = devices(lease.devices, label, words);
  return (
    <li
      className="gpuctl-Past"
      title={[where, why, lease.note].filter(Boolean).join('\n')}
    >
      <span className="gpuctl-Past-what">
        {lease.mine
          ? asked(lease, words)
          : words.__('%1: %2', who(lease, words), asked(lease, words))}
      </span>
      <span className="gpuctl-Past-cost">{gpuHours(lease.gpu_hours)}</span>
      <span className="gpuctl-Past-why">{why}</span>
      <span className="gpuctl-Past-when">
        {lease.ended_at === null ? '' : clock(lease.ended_at, now, words)}
      </span>
    </li>
  );
}

/** Who holds what until when; for administrators, with a way to end it. */

import * as React from 'react';

import type { LeaseAnswer, ReservationAnswer } from '../../wire';
import { keyOf } from '../rows';
import { devices, until, who } from '../sentences';
import { clock, gpus } from '../times';
import { Action } from './action';
import type { ILeaseContext } from './context';

export function Holders(props: { context: ILeaseContext }): React.JSX.Element {
  const { context } = props;
  const { rows, quota } = context.state;
  const booked = quota?.reservations ?? [];
  if (rows.held.length + booked.length === 0) {
    return (
      <p className="gpuctl-Empty">
        {context.words.__(
          'Nobody. Who holds a GPU stands here, and until when.'
        )}
      </p>
    );
  }
  return (
    <ul className="gpuctl-Holders">
      {rows.held.map(lease => (
        <Line key={keyOf(lease)} context={context} lease={lease} />
      ))}
      {booked.map(reservation => (
        <Booked
          key={`${reservation.group} ${reservation.start}`}
          {...{ context, reservation }}
        />
      ))}
    </ul>
  );
}

function Line(props: {
  context: ILeaseContext;
  lease: LeaseAnswer;
}): React.JSX.Element {
  const { context, lease } = props;
  const { words, now, label, actions, state } = context;
  const name = who(lease, words);
  const where = devices(lease.devices, label, words);
  // Several are counted, and named to who points there: there is little room.
  const what =
    lease.gpus < 1
      ? words.__('%1 of %2', lease.gpus, where)
      : lease.devices.length > 1
        ? gpus(lease.gpus, words)
        : where;
  return (
    <li className="gpuctl-Held" data-mine={lease.mine}>
      <span className="gpuctl-Held-who" title={name}>
        {name}
      </span>
      <span className="gpuctl-Held-what" title={where}>
        {what}
      </span>
      <span className="gpuctl-Held-until">{until(lease, now, words)}</span>
      {state.quota?.admin === true && !lease.mine && lease.id !== '' && (
        <span className="gpuctl-Held-actions">
          <Action
            {...{ context, lease }}
            text={words.__('Revoke…')}
            label={words.__('Revoke the lease of %1 on %2', name, where)}
            look="link"
            opens="dialog"
            act={() => {
              actions.revoke(lease);
            }}
          />
        </span>
      )}
    </li>
  );
}

function Booked(props: {
  context: ILeaseContext;
  reservation: ReservationAnswer;
}): React.JSX.Element {
  const { words, now } = props.context;
  const { group, gpus: count, start, end, mine } = props.reservation;
  return (
    <li
      className="gpuctl-Held"
      data-mine={mine}
      title={words.__(
        'Booked for the group %1; leases don’t run into it.',
        group
      )}
    >
      <span className="gpuctl-Held-who">{group}</span>
      <span className="gpuctl-Held-what">
        {words.__('booked: %1', gpus(count, words))}
      </span>
      <span className="gpuctl-Held-until">
        {words.__(
          '%1–%2',
          clock(start, now, words),
          clock(end, Date.parse(start), words)
        )}
      </span>
    </li>
  );
}

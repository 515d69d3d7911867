/** The caller's own leases: what, how long still, what it has cost, extend, give back. */

import * as React from 'react';

import type { LeaseAnswer } from '../../wire';
import { isEnding, keyOf, remaining } from '../rows';
import { binding, devices, facts, until } from '../sentences';
import { gpus, left } from '../times';
import { Action } from './action';
import type { ILeaseContext } from './context';
import { StrengthWord } from './strength';

export function MyLeases(props: { context: ILeaseContext }): React.JSX.Element {
  const { context } = props;
  const { words, actions } = context;
  const { active, offered, queued } = context.state.rows;
  if (active.length + offered.length === 0) {
    return (
      <p className="gpuctl-Empty">
        {queued.length > 0
          ? words.__(
              'None yet: your request waits. When its turn comes, a GPU is offered to you here.'
            )
          : words.__(
              'None. A GPU that you request stands here, with the time that is left.'
            )}
      </p>
    );
  }
  return (
    <>
      <ul className="gpuctl-Leases">
        {[...offered, ...active].map(lease => (
          <Line key={keyOf(lease)} context={context} lease={lease} />
        ))}
      </ul>
      <p className="gpuctl-Leases-more">
        <Action
          context={context}
          text={words.__('Request another…')}
          look="link"
          opens="dialog"
          act={() => {
            actions.request();
          }}
        />
      </p>
    </>
  );
}

function Line(props: {
  context: ILeaseContext;
  lease: LeaseAnswer;
}): React.JSX.Element {
  const { context, lease } = props;
  const { words, now, label, actions } = context;
  const name = devices(lease.devices, label, words) || gpus(lease.gpus, words);
  const about = facts(lease, words);
  const isOffer = lease.status === 'offered';
  return (
    <li
      className="gpuctl-Lease"
      data-lease={lease.id}
      data-status={lease.status}
      data-ending={isEnding(lease, now)}
    >
      <span className="gpuctl-Lease-name" title={name}>
        {name} <StrengthWord strength={lease.strength} words={words} />
      </span>
      <span className="gpuctl-Lease-time" title={until(lease, now, words)}>
        {isOffer
          ? words.__('offered, %1', left(remaining(lease, now)))
          : words.__('%1 left', left(remaining(lease, now)))}
      </span>
      <span className="gpuctl-Lease-facts" title={about}>
        {about}
      </span>
      <span className="gpuctl-Lease-actions">
        {isOffer ? (
          <>
            <Link
              {...props}
              text={words.__('Accept')}
              name={name}
              act={actions.accept}
            />
            <Link
              {...props}
              text={words.__('Decline')}
              name={name}
              act={actions.decline}
            />
          </>
        ) : (
          <>
            {lease.reason === null && (
              <Link
                {...props}
                text={words.__('Extend ▾')}
                name={name}
                opens="menu"
                act={actions.extend}
              />
            )}
            <Link
              {...props}
              text={words.__('Copy')}
              name={name}
              title={words.__(
                'Copy %1\nFor programs outside of notebooks: set it with export before they start. A notebook is told of it when the lease is attached to it.',
                binding(lease)
              )}
              act={actions.copy}
            />
            <Link
              {...props}
              text={words.__('Release')}
              name={name}
              opens="dialog"
              act={actions.release}
            />
          </>
        )}
      </span>
    </li>
  );
}

function Link(props: {
  context: ILeaseContext;
  lease: LeaseAnswer;
  text: string;
  name: string;
  title?: string;
  opens?: 'menu' | 'dialog';
  act: (lease: LeaseAnswer, anchor: HTMLElement) => void;
}): React.JSX.Element {
  const { context, lease, text, name, title, opens, act } = props;
  return (
    <Action
      {...{ context, lease, text, title, opens }}
      label={`${text.replace(' ▾', '')}: ${name}`}
      look="link"
      act={anchor => {
        act(lease, anchor);
      }}
    />
  );
}

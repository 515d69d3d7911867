/** What leases say of one device: who holds it until when, or how to get it. */

import * as React from 'react';

import { holdersOf, isEnding } from '../rows';
import { until, who } from '../sentences';
import { strengthMeaning, strengthWord } from '../strength';
import { Action } from './action';
import type { ILeaseContext } from './context';

export interface IDeviceLeaseProps {
  readonly context: ILeaseContext;
  readonly uuid: string;
  readonly model: string;
  readonly label: string;
  /** Whether nothing runs on it, so that it can be had. */
  readonly isIdle: boolean;
}

export function DeviceLease(
  props: IDeviceLeaseProps
): React.JSX.Element | null {
  const { context, uuid, isIdle } = props;
  const { words, now, state, actions } = context;
  const holders = holdersOf(state.rows.held, uuid);
  const [first] = holders;
  if (first) {
    const text =
      holders.length === 1
        ? words.__('%1, %2', who(first, words), until(first, now, words))
        : words.__('%1 share it', holders.length);
    const title = holders
      .map(lease =>
        words.__('Held by %1, %2', who(lease, words), until(lease, now, words))
      )
      .concat(strengthMeaning(first.strength, words))
      .join('\n');
    return (
      <span
        className="gpuctl-Device-lease"
        data-mine={first.mine}
        data-ending={first.mine && isEnding(first, now)}
        title={title}
      >
        {text}{' '}
        <span className="gpuctl-Strength">
          {words.__('· %1', strengthWord(first.strength, words))}
        </span>
      </span>
    );
  }
  if (!isIdle || state.phase === 'refused' || !state.quota?.largest) {
    return null;
  }
  const models = state.quota.available_models;
  return (
    <span className="gpuctl-Device-lease">
      <Action
        context={context}
        text={words.__('Request')}
        label={words.__('Request a GPU; %1 is free', props.label)}
        look="link"
        opens="dialog"
        act={() => {
          actions.request(models.length > 1 ? props.model : undefined);
        }}
      />
    </span>
  );
}

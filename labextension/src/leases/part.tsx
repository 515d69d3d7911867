/** What leases add to the GPU panel and to the status bar. */

import { type ISignal } from '@lumino/signaling';
import * as React from 'react';

import { age, type Words } from '../format';
import type { IPanelContext } from '../gpus/components/context';
import { Notice } from '../gpus/components/notices';
import { Section } from '../gpus/components/section';
import type { IDeviceRow } from '../gpus/rows';
import type { IPanelPart } from '../tokens';
import { Answer, Invitation } from './components/answer';
import type { ILeaseActions, ILeaseContext } from './components/context';
import { DeviceLease } from './components/device';
import { History } from './components/history';
import { Log } from './components/log';
import { Holders } from './components/holders';
import { MyLeases } from './components/my-leases';
import { Quota } from './components/quota';
import { Waiting } from './components/waiting';
import { heldDevices } from './rows';
import { statusPart, type Label } from './sentences';
import type { Leases } from './service';
import { brief } from './times';

export interface IPartOptions {
  readonly service: Leases;
  readonly actions: ILeaseActions;
  readonly words: Words;
  readonly label: Label;
  /** Whether the server is known to be away, by whoever asks it most often. */
  readonly isAway: () => boolean;
}

export class LeasePart implements IPanelPart {
  constructor(private readonly _options: IPartOptions) {}

  get changed(): ISignal<unknown, void> {
    return this._options.service.ticked;
  }

  get held(): ReadonlySet<string> {
    return heldDevices(this._options.service.model.state.rows.held);
  }

  above(): React.ReactNode {
    return <Answer context={this._context()} />;
  }

  below(isFree: boolean): React.ReactNode {
    const context = this._context();
    return (
      <>
        <Invitation context={context} isFree={isFree} />
        <Quota context={context} />
        <Trouble context={context} />
      </>
    );
  }

  device(row: IDeviceRow, isIdle: boolean): React.ReactNode {
    const { uuid, name } = row.device;
    return (
      <DeviceLease
        context={this._context()}
        uuid={uuid}
        model={name}
        label={row.label}
        isIdle={isIdle && !row.device.mig_enabled}
      />
    );
  }

  sections(panel: IPanelContext): React.ReactNode {
    const context = this._context();
    const { words, state } = context;
    const { rows, quota, phase } = state;
    const isIdle = rows.held.length + rows.waiting.length === 0;
    if (phase === 'refused' || !quota || (quota.largest === 0 && isIdle)) {
      return null;
    }
    const count = (items: readonly unknown[]) =>
      items.length > 0 ? String(items.length) : undefined;
    return (
      <div className={phase === 'away' ? 'gpuctl-Old' : ''}>
        <Section context={panel} name="mine" title={words.__('My leases')}>
          <MyLeases context={context} />
        </Section>
        <Section
          context={panel}
          name="waiting"
          title={words.__('Waiting')}
          aside={count(rows.waiting)}
        >
          <Waiting context={context} />
        </Section>
        <Section
          context={panel}
          name="held"
          title={words.__('Who holds what')}
          aside={count(rows.held)}
        >
          <Holders context={context} />
        </Section>
        <Section
          context={panel}
          name="history"
          title={words.__('History')}
          folded
        >
          <History context={context} />
        </Section>
        <Section context={panel} name="log" title={words.__('Log')} folded>
          <Log context={context} />
        </Section>
      </div>
    );
  }

  status(): string {
    const { service, words } = this._options;
    const { model } = service;
    return statusPart(model.state, model.now(), words, brief);
  }

  private _context(): ILeaseContext {
    const { service, actions, words, label, isAway } = this._options;
    const { model } = service;
    const { state } = model;
    const history = model.history.state;
    const log = model.log.state;
    const blocked =
      state.phase === 'live' && !isAway()
        ? ''
        : (state.problem?.message ??
          words.__('The server does not answer: nothing can be done now.'));
    const now = model.now();
    return { words, state, history, log, now, label, actions, blocked };
  }
}

/** Why there are no leases, or no new quotas: quietly, as the GPUs are shown in any case. */
function Trouble(props: { context: ILeaseContext }): React.JSX.Element | null {
  const { words, state, now } = props.context;
  const { problem, quota, receivedAt } = state;
  if (problem) {
    return (
      <Notice
        kind="quiet"
        message={
          receivedAt === null
            ? words.__('No leases: %1', problem.message)
            : words.__(
                'Leases as they were %1 ago: %2',
                age((now - receivedAt) / 1000),
                problem.message
              )
        }
        hint={problem.hint}
      />
    );
  }
  if (quota?.known === false) {
    return (
      <Notice
        kind="warning"
        message={words.__('No GPU can be asked for: the quotas are not known.')}
        hint={quota.problem ?? ''}
      />
    );
  }
  return quota?.admin && quota.problem ? (
    <Notice
      kind="warning"
      message={words.__('The newest quotas are not in force.')}
      hint={quota.problem}
    />
  ) : null;
}

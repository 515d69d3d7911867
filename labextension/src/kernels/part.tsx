/** What kernels and the guard add to the GPU panel. */

import type { ISignal } from '@lumino/signaling';
import * as React from 'react';

import type { Words } from '../format';
import type { IPanelContext } from '../gpus/components/context';
import { Section } from '../gpus/components/section';
import type { IKernelRow } from '../gpus/rows';
import type { Label } from '../leases/sentences';
import type { IPanelPart } from '../tokens';
import type { KernelActions } from './actions';
import { Findings } from './components/findings';
import { Idle } from './components/idle';
import { KernelLeases } from './components/kernel-line';
import type { Kernels } from './service';

export interface IPartOptions {
  readonly service: Kernels;
  readonly actions: KernelActions;
  readonly label: Label;
  readonly words: Words;
}

export class KernelPart implements IPanelPart {
  constructor(private readonly _options: IPartOptions) {}

  readonly held: ReadonlySet<string> = new Set();

  get changed(): ISignal<unknown, void> {
    return this._options.service.changed;
  }

  above(): React.ReactNode {
    const { idle } = this._options.service.model.state;
    return <Idle {...this._shared()} idle={idle} />;
  }

  below(): React.ReactNode {
    return null;
  }

  device(): React.ReactNode {
    return null;
  }

  sections(panel: IPanelContext): React.ReactNode {
    const { findings } = this._options.service.model.state;
    const { words } = this._options;
    return findings.length === 0 ? null : (
      <Section
        context={panel}
        name="guard"
        title={words.__('Guard')}
        aside={String(findings.length)}
      >
        <Findings {...this._shared()} findings={findings} />
      </Section>
    );
  }

  kernel({ kernel: { kernel_id: id } }: IKernelRow): React.ReactNode {
    const kernel = this._options.service.model.state.kernels.get(id);
    return kernel && <KernelLeases {...this._shared()} kernel={kernel} />;
  }

  memoryLimit(kernelId: string): number | null {
    const { kernels } = this._options.service.model.state;
    return kernels.get(kernelId)?.limits.memory ?? null;
  }

  status(): string {
    return '';
  }

  private _shared() {
    const { service, actions, label, words } = this._options;
    const { model } = service.leases;
    const { rows } = model.state;
    return { rows, actions, label, words, now: model.now() };
  }
}

/** Under a kernel's line in the panel: its leases, how it died, and what can be done. */

import * as React from 'react';

import type { Words } from '../../format';
import type { Label } from '../../leases/sentences';
import type { KernelAnswer } from '../../wire';
import type { KernelActions } from '../actions';
import { deathHelp, deathLine } from '../deaths';
import { elsewhere, leasesOf, stopsIn, type IKernelLeases } from '../rows';
import { face } from '../sentences';

export interface IKernelLineProps {
  readonly kernel: KernelAnswer;
  readonly rows: IKernelLeases;
  readonly actions: KernelActions;
  readonly label: Label;
  /** The authority's clock, in milliseconds. */
  readonly now: number;
  readonly words: Words;
}

export function KernelLeases(
  props: IKernelLineProps
): React.JSX.Element | null {
  const { kernel, rows, actions, label, now, words } = props;
  const id = kernel.kernel_id;
  const own = leasesOf(rows, id);
  const shown = face(kernel, own, label, now, words);
  const isQuiet =
    shown.mood === 'none' &&
    shown.mark === null &&
    elsewhere(rows, id).length === 0;
  // What counts down needs the room.
  const isCounting = kernel.over != null && stopsIn(kernel.over, now) !== null;
  return (
    <>
      {kernel.death && (
        <span
          className="gpuctl-Kernel-death"
          title={deathHelp(kernel.death, words) || kernel.death.message}
        >
          {deathLine(kernel.death, now, words)}
        </span>
      )}
      {!isQuiet && (
        <span className="gpuctl-Kernel-lease">
          <span
            className="gpuctl-Kernel-held"
            data-mood={shown.mood}
            title={shown.title}
          >
            {shown.mood === 'none' ? words.__('no GPU attached') : shown.text}
            {shown.mark === 'restart' && !isCounting && (
              <span className="gpuctl-Tag" data-tone="warning">
                {words.__('restart needed')}
              </span>
            )}
            {shown.mark === 'later' && !isCounting && (
              <span className="gpuctl-Tag">{words.__('after this cell')}</span>
            )}
          </span>
          <button
            type="button"
            className="gpuctl-Link"
            aria-haspopup="menu"
            aria-label={words.__('GPUs of %1', actions.titleOf(id))}
            onClick={event => {
              actions.open(id, event.currentTarget);
            }}
          >
            {shown.mood === 'none'
              ? words.__('Attach ▾')
              : words.__('Change ▾')}
          </button>
        </span>
      )}
    </>
  );
}

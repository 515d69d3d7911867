/** The kernels of this server: what each uses, and where it computes. */

import * as React from 'react';

import { bytes, bytesOf, percent } from '../../format';
import type { IKernelRow } from '../rows';
import type { IPanelContext } from './context';
import { Holder } from './holder';

export function Kernels(props: {
  context: IPanelContext;
  rows: readonly IKernelRow[];
}): React.JSX.Element {
  const { context, rows } = props;
  const { words } = context;
  if (rows.length === 0) {
    return (
      <p className="gpuctl-Empty">
        {words.__(
          'No kernel runs. Open a notebook, and its memory, CPU and GPUs are shown here.'
        )}
      </p>
    );
  }
  return (
    <ul className="gpuctl-Kernels">
      {rows.map(row => (
        <KernelLine key={row.kernel.kernel_id} context={context} row={row} />
      ))}
    </ul>
  );
}

function KernelLine(props: {
  context: IPanelContext;
  row: IKernelRow;
}): React.JSX.Element {
  const { context, row } = props;
  const { words } = context;
  const { kernel, devices } = row;
  const limit = context.parts.reduce<number | null>(
    (found, part) => found ?? part.memoryLimit?.(kernel.kernel_id) ?? null,
    null
  );
  const where = devices.map(device => device.label).join(', ');
  return (
    <li className="gpuctl-Kernel" data-kernel={kernel.kernel_id}>
      <span
        className="gpuctl-Kernel-dot"
        data-state={kernel.state}
        aria-hidden="true"
      />
      <Holder
        context={context}
        title={row.title}
        path={kernel.notebook}
        kernelId={kernel.kernel_id}
      />
      <span
        className="gpuctl-Kernel-memory"
        title={words._n(
          'Host memory of %1 process',
          'Host memory of %1 processes',
          kernel.processes
        )}
      >
        {limit === null
          ? bytes(kernel.memory, words)
          : bytesOf(kernel.memory, limit, words)}
      </span>
      <span className="gpuctl-Kernel-quiet">
        <span>{stateWord(kernel.state, context)}</span>
        <span>{words.__('CPU %1', percent(kernel.cpu, words))}</span>
        <span className="gpuctl-Kernel-gpu" title={where}>
          {where &&
            (row.gpuMemory === null
              ? where
              : words.__('%1, %2', where, bytes(row.gpuMemory, words)))}
        </span>
      </span>
      {context.parts.map((part, index) => (
        <React.Fragment key={index}>{part.kernel?.(row)}</React.Fragment>
      ))}
    </li>
  );
}

function stateWord(state: string, { words }: IPanelContext): string {
  switch (state) {
    case 'busy':
      return words.__('busy');
    case 'idle':
      return words.__('idle');
    case 'starting':
      return words.__('starting');
    case 'restarting':
      return words.__('restarting');
    case 'unknown':
      return words.__('unknown');
    default:
      return state;
  }
}

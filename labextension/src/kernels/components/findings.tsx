/** What the guard has found: processes that use GPUs in a way that leases don't allow. */

import * as React from 'react';

import type { Words } from '../../format';
import { localTimes } from '../../leases/local-times';
import type { Label } from '../../leases/sentences';
import type { FindingAnswer } from '../../wire';
import type { KernelActions } from '../actions';
import { findingLine, stageLine } from '../findings';

export function Findings(props: {
  findings: readonly FindingAnswer[];
  actions: KernelActions;
  label: Label;
  now: number;
  words: Words;
}): React.JSX.Element {
  const { findings, actions, label, now, words } = props;
  return (
    <ul className="gpuctl-Findings">
      {findings.map(finding => {
        const { pid, since, stage, kernel_id: id } = finding;
        return (
          <li
            key={`${pid} ${finding.device} ${since}`}
            className="gpuctl-Finding"
            data-stage={stage}
          >
            <p>{localTimes(finding.message, now, words)}</p>
            <span className="gpuctl-Finding-quiet">
              <span title={findingLine(finding, label, words)}>
                {stageLine(finding, now, words)}
              </span>
              {stage === 'warned' && id !== null && (
                <button
                  type="button"
                  className="gpuctl-Link"
                  onClick={() => void actions.interrupt(id)}
                >
                  {words.__('Stop it yourself')}
                </button>
              )}
            </span>
          </li>
        );
      })}
    </ul>
  );
}

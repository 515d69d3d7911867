/** The live verdict under the request form. */

import * as React from 'react';

import { localTimes } from '../local-times';
import { forecast } from '../sentences';
import type { IRequestFormProps } from './request-form';

/** What would become of it. Of fixed height, so that nothing jumps while somebody types. */
export function Outcome(props: IRequestFormProps): React.JSX.Element {
  const { form, words, label, now } = props;
  const { preview, problem, isChecking, isSending } = form.state;
  const local = (said: string) => localTimes(said, now(), words);
  const shown = preview && forecast(preview, label, now(), words);
  const tone = shown?.tone ?? (problem ? 'no' : 'wait');
  const marks = { now: '✓', later: '◷', no: '✕', wait: '…' };
  const text =
    shown?.text ??
    (problem
      ? problem.field === null
        ? local(problem.message)
        : words.__('Not like this: see the field above.')
      : words.__('Looking whether it can start…'));
  const hint =
    shown?.hint ?? (problem?.field === null ? local(problem.hint) : '');
  return (
    <div
      className="gpuctl-Form-outcome"
      role="status"
      data-tone={tone}
      data-checking={isChecking || isSending}
    >
      <span aria-hidden="true">{marks[tone]}</span>
      <div>
        <p>{isSending ? words.__('Asking…') : text}</p>
        {hint && <p className="gpuctl-Form-note">{hint}</p>}
      </div>
    </div>
  );
}

/** States that explain themselves: what is wrong, and what to do. */

import * as React from 'react';

import type { Words } from '../../format';
import type { IGpuState } from '../model';
import { staleness } from '../sentences';

interface INoticeProps {
  /** `quiet`: nothing is wrong, but it has to be known. */
  readonly kind: 'quiet' | 'info' | 'warning' | 'error';
  readonly message: string;
  readonly hint?: string;
}

export function Notice(
  props: React.PropsWithChildren<INoticeProps>
): React.JSX.Element {
  return (
    <div className="gpuctl-Notice" data-kind={props.kind}>
      <span className="gpuctl-Notice-mark" aria-hidden="true">
        {props.kind === 'info' || props.kind === 'quiet' ? 'i' : '!'}
      </span>
      <div>
        <p>
          {props.message}{' '}
          {props.hint && (
            <span className="gpuctl-Notice-hint">{props.hint}</span>
          )}
        </p>
        {props.children}
      </div>
    </div>
  );
}

export function Notices(props: {
  words: Words;
  state: IGpuState;
  now: () => number;
  retry: () => void;
}): React.JSX.Element {
  const { words, state } = props;
  if (state.phase === 'refused') {
    return <Refusal words={words} state={state} />;
  }
  const driver = <Driver state={state} />;
  const isQuiet = KINDS[state.answer?.driver.status ?? 'ok'] === 'quiet';
  return (
    <>
      {state.phase === 'away' && <Away {...props} />}
      {!isQuiet && driver}
      {state.answer?.warnings.map(({ code, message, hint }) => (
        <Notice key={code} kind="warning" message={message} hint={hint} />
      ))}
      {isQuiet && driver}
    </>
  );
}

function Refusal(props: { words: Words; state: IGpuState }): React.JSX.Element {
  const { words } = props;
  const { problem } = props.state;
  if (problem?.status === 404) {
    return (
      <Notice
        kind="error"
        message={words.__(
          'This Jupyter server knows nothing of jupyter-gpuctl.'
        )}
        hint={words.__(
          'Install jupyter-gpuctl where the server runs, then start the server again. “jupyter server extension list” should name it.'
        )}
      />
    );
  }
  return (
    <Notice
      kind="error"
      message={problem?.message ?? ''}
      hint={problem?.hint ?? ''}
    />
  );
}

/** Counts up by itself, as nothing comes from the server that could make it. */
function Away(props: {
  words: Words;
  state: IGpuState;
  now: () => number;
  retry: () => void;
}): React.JSX.Element {
  const { words, state, now, retry } = props;
  const [, tick] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    const timer = window.setInterval(tick, 1000);
    return () => {
      window.clearInterval(timer);
    };
  }, []);
  return (
    <Notice
      kind="warning"
      message={staleness(state, now(), words)}
      hint={words.__('It is asked again by itself, less and less often.')}
    >
      <button type="button" className="gpuctl-Link" onClick={retry}>
        {words.__('Ask now')}
      </button>
    </Notice>
  );
}

const KINDS = {
  ok: 'quiet',
  simulated: 'quiet',
  missing: 'info',
  unresponsive: 'warning',
  mismatch: 'error',
  error: 'error'
} as const;

function Driver(props: { state: IGpuState }): React.JSX.Element | null {
  const driver = props.state.answer?.driver;
  if (!driver || driver.status === 'ok' || !driver.message) {
    return null;
  }
  const kind = KINDS[driver.status];
  return <Notice kind={kind} message={driver.message} hint={driver.hint} />;
}

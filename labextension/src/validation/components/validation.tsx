/** One validation, as its tab shows it. */

import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { Words } from '../../format';
import type { ReportFormat, ValidationAnswer } from '../../wire';
import type { Follower, IFollowing } from '../follower';
import {
  ENDED,
  limitsLine,
  lostLine,
  sorted,
  standing,
  subject
} from '../sentences';
import { Checked, Running, type INotebookActions } from './notebooks';

export interface IValidationActions extends INotebookActions {
  readonly cancel: () => void;
  readonly showReport: () => void;
  download(format: ReportFormat): void;
  again(paths: readonly string[]): void;
}

export interface IValidationProps {
  readonly follower: Follower;
  readonly actions: IValidationActions;
  readonly words: Words;
}

type Props = IValidationProps & {
  readonly answer: ValidationAnswer;
  readonly isLost: boolean;
};

export function ValidationView(props: IValidationProps): React.JSX.Element {
  const { follower } = props;
  return (
    <UseSignal signal={follower.changed}>
      {() => <Content {...props} state={follower.state} />}
    </UseSignal>
  );
}

function Content(
  props: IValidationProps & { state: IFollowing }
): React.JSX.Element {
  const { state, words } = props;
  const { answer } = state;
  return (
    <div
      className="gpuctl-Validation"
      data-status={state.isLost ? 'lost' : (answer?.status ?? 'unknown')}
    >
      {state.isLost && (
        <p className="gpuctl-Validation-notice" role="alert">
          {words.__(
            'The Jupyter server no longer knows this validation: most likely it was started anew, which ends what runs.'
          )}
        </p>
      )}
      {state.isAway && (
        <p className="gpuctl-Validation-notice" role="alert">
          {words.__(
            'The Jupyter server does not answer. If it has ended, so has the validation.'
          )}
        </p>
      )}
      {state.refusal && (
        <p className="gpuctl-Validation-notice" role="alert">
          {state.refusal}
        </p>
      )}
      {answer ? (
        <Known {...props} answer={answer} isLost={state.isLost} />
      ) : (
        !state.isAway &&
        !state.isLost &&
        !state.refusal && <p>{words.__('Loading…')}</p>
      )}
    </div>
  );
}

function Known(props: Props): React.JSX.Element {
  const { answer, isLost, words, actions } = props;
  const { paths, progress, problem } = answer;
  return (
    <>
      <Head {...props} />
      {problem && (
        <p className="gpuctl-Validation-problem" role="alert">
          {problem.message}
        </p>
      )}
      {!isLost && progress.running.length > 0 && (
        <Running
          notebooks={progress.running}
          paths={paths}
          actions={actions}
          words={words}
        />
      )}
      {answer.notebooks.length > 0 && (
        <ul
          className="gpuctl-Validation-notebooks"
          aria-label={words.__('Notebooks')}
        >
          {sorted(answer.notebooks).map((notebook, position) => (
            <Checked
              key={`${notebook.path} ${position}`}
              notebook={notebook}
              paths={paths}
              actions={actions}
              words={words}
            />
          ))}
        </ul>
      )}
    </>
  );
}

function Head(props: Props): React.JSX.Element {
  const { answer, isLost, words } = props;
  const { done, total } = answer.progress;
  const isOver = ENDED.has(answer.status) || isLost;
  return (
    <header className="gpuctl-Validation-head">
      <h2 title={answer.paths.join(', ')}>{subject(answer.paths, words)}</h2>
      <p className="gpuctl-Validation-standing" role="status">
        {isLost ? lostLine(answer, words) : standing(answer, words)}
      </p>
      {!isOver && (
        <progress
          aria-label={words.__('Notebooks that have ended')}
          max={total ?? 1}
          {...(total !== null && { value: done })}
        />
      )}
      {answer.summary && (
        <p className="gpuctl-Validation-summary">{answer.summary}</p>
      )}
      {answer.limits && (
        <p className="gpuctl-Validation-limits">
          {limitsLine(answer.limits, words)}
        </p>
      )}
      <Buttons {...props} />
    </header>
  );
}

function Buttons(props: Props): React.JSX.Element {
  const { answer, isLost, actions, words } = props;
  if (!ENDED.has(answer.status) && !isLost) {
    return (
      <div className="gpuctl-Buttons">
        <button
          type="button"
          className="gpuctl-Button"
          disabled={answer.cancelling}
          onClick={actions.cancel}
        >
          {words.__('Cancel')}
        </button>
      </div>
    );
  }
  const has = (format: ReportFormat) => answer.reports.includes(format);
  return (
    <div className="gpuctl-Buttons">
      {has('html') && (
        <button
          type="button"
          className="gpuctl-Button"
          data-look="main"
          onClick={actions.showReport}
        >
          {words.__('Report')}
        </button>
      )}
      <button
        type="button"
        className="gpuctl-Button"
        onClick={() => {
          actions.again(answer.paths);
        }}
      >
        {words.__('Validate again…')}
      </button>
      {(['html', 'json', 'junit'] as const).filter(has).map(format => (
        <button
          key={format}
          type="button"
          className="gpuctl-Button"
          title={words.__('Save the report as a file')}
          onClick={() => {
            actions.download(format);
          }}
        >
          {words.__('Download %1', NAMES[format])}
        </button>
      ))}
    </div>
  );
}

const NAMES = { html: 'HTML', json: 'JSON', junit: 'JUnit' } as const;

/** Notebooks of a validation: those that run, and those that have their verdict. */

import * as React from 'react';

import { bytes, type Words } from '../../format';
import type { CheckedNotebook, RunningNotebook } from '../../wire';
import {
  cellLine,
  isGood,
  seconds,
  shortName,
  verdictWords
} from '../sentences';

/** What can be done with a notebook. */
export interface INotebookActions {
  /** Open it; at a cell, by its position among all cells. */
  open(path: string, cell: number | null): void;
}

interface IProps {
  readonly paths: readonly string[];
  readonly actions: INotebookActions;
  readonly words: Words;
}

export function Running(
  props: IProps & { notebooks: readonly RunningNotebook[] }
): React.JSX.Element {
  const { notebooks, paths, words } = props;
  return (
    <ul className="gpuctl-Validation-running" aria-label={words.__('Running')}>
      {notebooks.map(one => (
        <li key={one.path} data-path={one.path}>
          <span className="gpuctl-Validation-name" title={one.path}>
            {shortName(one.path, paths)}
          </span>
          <span className="gpuctl-Validation-cell">{cellLine(one, words)}</span>
          {one.first_line && <code>{one.first_line}</code>}
        </li>
      ))}
    </ul>
  );
}

export function Checked(
  props: IProps & { notebook: CheckedNotebook }
): React.JSX.Element {
  const { notebook, paths, actions, words } = props;
  const { path, verdict, duration, peak_memory: peak } = notebook;
  const name = shortName(path, paths);
  return (
    <li
      className="gpuctl-Checked"
      data-verdict={verdict}
      data-good={isGood(notebook)}
      data-path={path}
    >
      <div className="gpuctl-Checked-line">
        <span className="gpuctl-Checked-verdict">
          {verdictWords(verdict, words)}
        </span>
        <button
          type="button"
          className="gpuctl-Link gpuctl-Validation-name"
          title={words.__('Open %1', path)}
          onClick={() => {
            actions.open(path, null);
          }}
        >
          {name}
        </button>
        <span className="gpuctl-Checked-figures">
          {notebook.started === 'cached'
            ? words.__('as before')
            : duration !== null && seconds(duration)}
        </span>
        <span className="gpuctl-Checked-figures">
          {peak !== null && bytes(peak, words)}
        </span>
      </div>
      <Reason {...props} />
      <Findings {...props} />
    </li>
  );
}

function Reason(
  props: IProps & { notebook: CheckedNotebook }
): React.JSX.Element | null {
  const { notebook, actions, words } = props;
  const { path, cell, error, reason, hint } = notebook;
  if (!reason) {
    return null;
  }
  const source = error?.source ?? notebook.first_line;
  return (
    <div className="gpuctl-Checked-reason">
      <LongText text={hint ? `${reason} · ${hint}` : reason} words={words} />
      {cell !== null && source && <pre>{source}</pre>}
      {cell !== null && (
        <button
          type="button"
          className="gpuctl-Link"
          onClick={() => {
            actions.open(path, cell);
          }}
        >
          {words.__('Go to cell %1', cell + 1)}
        </button>
      )}
    </div>
  );
}

/** What an error says may fill pages: that much of it at first. */
const SHOWN = 400;

function LongText(props: { text: string; words: Words }): React.JSX.Element {
  const { text, words } = props;
  const [isWhole, setWhole] = React.useState(false);
  // A little more isn't worth a click.
  if (text.length <= SHOWN * 1.25) {
    return <p>{text}</p>;
  }
  return (
    <p>
      {isWhole ? text : `${text.slice(0, SHOWN)}…`}{' '}
      <button
        type="button"
        className="gpuctl-Link"
        aria-expanded={isWhole}
        onClick={() => {
          setWhole(!isWhole);
        }}
      >
        {isWhole ? words.__('Show less') : words.__('Show all')}
      </button>
    </p>
  );
}

function Findings(
  props: IProps & { notebook: CheckedNotebook }
): React.JSX.Element | null {
  const { notebook, actions, words } = props;
  if (notebook.findings.length === 0) {
    return null;
  }
  return (
    <ul className="gpuctl-Checked-findings">
      {notebook.findings.map((finding, position) => {
        const { cell } = finding;
        return (
          <li key={position}>
            <LongText text={finding.message} words={words} />
            {typeof cell === 'number' && (
              <button
                type="button"
                className="gpuctl-Link"
                onClick={() => {
                  actions.open(notebook.path, cell);
                }}
              >
                {words.__('Go to cell %1', cell + 1)}
              </button>
            )}
          </li>
        );
      })}
    </ul>
  );
}

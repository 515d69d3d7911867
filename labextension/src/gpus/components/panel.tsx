/** The panel's content: the answer, what needs saying, then the sections. */

import {
  refreshIcon,
  settingsIcon,
  ToolbarButtonComponent,
  UseSignal
} from '@jupyterlab/ui-components';
import * as React from 'react';

import type { Words } from '../../format';
import type { IGpus, IPanelPart } from '../../tokens';
import type { Folds } from '../folds';
import type { GpuModel, IGpuState } from '../model';
import { deviceRows, isIdle, kernelRows, usable } from '../rows';
import { announcement, answer, yours } from '../sentences';
import type { IShown } from '../settings';
import type { IPanelContext } from './context';
import { Devices } from './devices';
import { Kernels } from './kernels';
import { Machine } from './machine';
import { Notices } from './notices';
import { Section } from './section';

export interface IPanelProps {
  readonly model: GpuModel;
  readonly folds: Folds;
  readonly shown: () => IShown;
  /** What other wings add. */
  readonly parts: Pick<IGpus, 'parts' | 'partsChanged'>;
  readonly words: Words;
  readonly now: () => number;
  readonly open: (path: string, kind: string | null) => void;
  readonly refresh: () => void;
  /** Whether there is a settings editor. */
  readonly hasSettings: () => boolean;
  readonly openSettings: () => void;
}

export function Panel(props: IPanelProps): React.JSX.Element {
  const { model, folds, parts } = props;
  return (
    <div className="gpuctl-Panel">
      <UseSignal signal={model.changed}>
        {() => <Header {...props} />}
      </UseSignal>
      <UseSignal signal={folds.changed}>
        {() => (
          <UseSignal signal={parts.partsChanged}>
            {() => (
              <UseSignal signal={model.changed}>
                {() => <Content {...props} state={model.state} />}
              </UseSignal>
            )}
          </UseSignal>
        )}
      </UseSignal>
    </div>
  );
}

function Header(props: IPanelProps): React.JSX.Element {
  const { model, words } = props;
  return (
    <div className="gpuctl-Header">
      <h2>{words.__('GPUs')}</h2>
      {model.state.answer?.driver.status === 'simulated' && (
        <span className="gpuctl-Badge">{words.__('simulated')}</span>
      )}
      <span className="gpuctl-Header-space" />
      <ToolbarButtonComponent
        icon={refreshIcon}
        tooltip={words.__('Ask for the newest values now')}
        onClick={props.refresh}
      />
      {props.hasSettings() && (
        <ToolbarButtonComponent
          icon={settingsIcon}
          tooltip={words.__('Settings of the GPU panel')}
          onClick={props.openSettings}
        />
      )}
    </div>
  );
}

function Content(props: IPanelProps & { state: IGpuState }): React.JSX.Element {
  const { model, folds, words, state } = props;
  const shown = props.shown();
  const { parts } = props.parts;
  const held = new Set(parts.flatMap(part => [...part.held]));
  const { sample } = state;
  const rows = deviceRows(state.answer?.devices ?? [], sample, words);
  const kernels = kernelRows(sample, rows, words);
  const kinds = new Map(
    sample?.kernels.map(({ kernel_id, kind }) => [kernel_id, kind])
  );
  const context: IPanelContext = {
    words,
    folds,
    parts,
    history: model.history,
    version: model.history.seq,
    open: (path, kernelId) => {
      props.open(path, kinds.get(kernelId ?? '') ?? null);
    },
    isHere: kernelId => kernelId !== null && kinds.has(kernelId)
  };
  const refused = state.phase === 'refused';
  const isFree = usable(rows).some(
    row => isIdle(row) && !held.has(row.device.uuid)
  );
  const from = (draw: (part: IPanelPart) => React.ReactNode) =>
    parts.map((part, index) => (
      <React.Fragment key={index}>{draw(part)}</React.Fragment>
    ));
  const mine = yours(kernels, words);
  return (
    <div
      className="gpuctl-Content"
      data-phase={state.phase}
      data-seq={sample?.seq ?? 0}
    >
      <div className="gpuctl-Answer">
        {!refused && from(part => part.above())}
        <p className="gpuctl-Answer-line">{answer(state, rows, words, held)}</p>
        {mine && !refused && (
          <p className="gpuctl-Answer-yours" title={mine}>
            {mine}
          </p>
        )}
        {!refused && from(part => part.below(isFree))}
      </div>
      <Announcer state={state} {...{ words, rows }} />
      <Notices
        words={words}
        state={state}
        now={props.now}
        retry={props.refresh}
      />
      {!refused && (
        <div className="gpuctl-Sections">
          {shown.devices && rows.length > 0 && (
            <Devices context={context} rows={rows} />
          )}
          {shown.leases && from(part => part.sections(context))}
          {shown.kernels && sample && (
            <Section
              context={context}
              name="kernels"
              title={words.__('Kernels here')}
            >
              <Kernels context={context} rows={kernels} />
            </Section>
          )}
          {shown.machine && sample && (
            <Section
              context={context}
              name="machine"
              title={words.__('Machine')}
            >
              <Machine words={words} host={sample.host} />
            </Section>
          )}
        </div>
      )}
    </div>
  );
}

/** Tells a screen reader when something broke or came back; never a figure, never each tick. */
function Announcer(props: {
  state: IGpuState;
  rows: ReturnType<typeof deviceRows>;
  words: Words;
}): React.JSX.Element {
  const { state, rows, words } = props;
  const before = React.useRef(state);
  const [text, setText] = React.useState('');
  React.useEffect(() => {
    const news = announcement(before.current, state, rows, words);
    before.current = state;
    if (news) {
      setText(news);
    }
  }, [state, rows, words]);
  return (
    <div className="gpuctl-Announcer" role="status" aria-live="polite">
      {text}
    </div>
  );
}

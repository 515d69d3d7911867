/** The request form: how many, for how long, and live under it what would become of it. */

import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { Words } from '../../format';
import type { QuotaAnswer } from '../../wire';
import type { IFields, RequestForm } from '../form';
import { presets } from '../gauges';
import type { Label } from '../sentences';
import { gpus, span } from '../times';
import { Choice, Row, Text } from './fields';
import { Outcome } from './outcome';

export interface IRequestFormProps {
  readonly form: RequestForm;
  readonly quota: QuotaAnswer;
  readonly words: Words;
  readonly label: Label;
  /** The authority's clock, in milliseconds. */
  readonly now: () => number;
  /** The kernel in front of which it was opened. */
  readonly kernel?: IForKernel;
}

export interface IForKernel {
  readonly id: string;
  /** What people call it: its notebook. */
  readonly title: string;
}

export function RequestFormView(props: IRequestFormProps): React.JSX.Element {
  return (
    <UseSignal signal={props.form.changed}>
      {() => (
        <div className="gpuctl-Form">
          <Presets {...props} />
          <Amount {...props} />
          {props.form.state.fields.kind === 'share' && (
            <Memory {...props} title={props.words.__('Its memory')} />
          )}
          <Row
            {...props}
            name="duration"
            title={props.words.__('For how long?')}
          >
            <Text {...props} name="duration" field="duration" size={8} />
            <span className="gpuctl-Form-note">
              {props.words.__(
                'such as 90m or 2h; at most %1',
                span(props.quota.max_lease)
              )}
            </span>
          </Row>
          {props.kernel && <ForKernel {...props} kernel={props.kernel} />}
          <Advanced {...props} />
          <Outcome {...props} />
        </div>
      )}
    </UseSignal>
  );
}

function Presets(props: IRequestFormProps): React.JSX.Element | null {
  const { form, quota, words } = props;
  const usual = presets(quota);
  if (usual.length === 0) {
    return null;
  }
  const { kind, count, duration } = form.state.fields;
  return (
    <div
      className="gpuctl-Form-presets"
      role="group"
      aria-label={words.__('Usual requests')}
    >
      {usual.map(preset => {
        const fields = {
          kind: 'whole',
          count: String(preset.gpus),
          duration: `${preset.seconds / 3600}h`
        } as const;
        return (
          <button
            key={`${preset.gpus} ${preset.seconds}`}
            type="button"
            className="gpuctl-Button"
            aria-pressed={
              kind === 'whole' &&
              count === fields.count &&
              duration === fields.duration
            }
            onClick={() => {
              form.set(fields);
            }}
          >
            {words.__(
              '%1 for %2',
              gpus(preset.gpus, words),
              span(preset.seconds)
            )}
          </button>
        );
      })}
    </div>
  );
}

/** Whole GPUs, or a share of one with its memory. */
function Amount(props: IRequestFormProps): React.JSX.Element {
  const { form, quota, words } = props;
  const { kind } = form.state.fields;
  const isShare = kind === 'share';
  return (
    <Row {...props} name="gpus" title={words.__('How many?')}>
      {isShare ? (
        <Text
          {...props}
          name="gpus"
          field="share"
          kind="number"
          min={1}
          max={99}
        />
      ) : (
        <Text
          {...props}
          name="gpus"
          field="count"
          kind="number"
          min={1}
          max={Math.max(1, quota.largest)}
        />
      )}
      <select
        className="jp-mod-styled"
        aria-label={words.__('Whole GPUs or a share of one')}
        value={kind}
        onChange={event => {
          form.set({ kind: event.target.value as IFields['kind'] });
        }}
      >
        <option value="whole">{words.__('whole GPUs')}</option>
        <option value="share">{words.__('% of one GPU')}</option>
      </select>
    </Row>
  );
}

function Memory(
  props: IRequestFormProps & { title: string }
): React.JSX.Element {
  return (
    <Row {...props} name="gpu_memory">
      <Text {...props} name="gpu_memory" field="memory" size={8} />
      <span className="gpuctl-Form-note">{props.words.__('such as 8GiB')}</span>
    </Row>
  );
}

/** Whether it is for the notebook, and goes back with its kernel. */
function ForKernel(
  props: IRequestFormProps & { kernel: IForKernel }
): React.JSX.Element {
  const { form, kernel, words } = props;
  return (
    <label
      className="gpuctl-Form-check"
      title={words.__(
        'Its kernel is told of the GPU, and the GPU is given back when the kernel is shut down.'
      )}
    >
      <input
        type="checkbox"
        checked={form.state.fields.kernel !== ''}
        onChange={event => {
          form.set({ kernel: event.target.checked ? kernel.id : '' });
        }}
      />
      {words.__('For %1', kernel.title)}
    </label>
  );
}

function Advanced(props: IRequestFormProps): React.JSX.Element {
  const { form, quota, words } = props;
  const { fields } = form.state;
  const models = quota.available_models;
  return (
    <details className="gpuctl-Form-more">
      <summary>{words.__('More')}</summary>
      {models.length > 1 && (
        <Row {...props} name="gpu_model" title={words.__('Model')}>
          <Choice
            {...props}
            name="gpu_model"
            field="model"
            none={words.__('Any')}
            options={models}
          />
        </Row>
      )}
      {fields.kind === 'whole' && (
        <Memory {...props} title={words.__('Memory, at least')} />
      )}
      {quota.groups.length > 1 && (
        <Row {...props} name="group" title={words.__('Charged to')}>
          <Choice
            {...props}
            name="group"
            field="group"
            none={words.__('%1 (the first)', quota.groups[0] ?? '')}
            options={quota.groups.slice(1)}
          />
        </Row>
      )}
      <Row {...props} name="note" title={words.__('Note')}>
        <Text
          {...props}
          name="note"
          field="note"
          example={words.__('what it is for')}
        />
      </Row>
    </details>
  );
}

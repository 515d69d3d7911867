/** The dialog that asks under which limits to validate. */

import { Dialog } from '@jupyterlab/apputils';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { Words } from '../format';
import type { ValidationAnswer } from '../wire';
import type { ILimitFields, LimitForm, LimitName } from './form';
import { subject } from './sentences';

const ACCEPT = 1;

interface IProps {
  readonly form: LimitForm;
  /** How many notebooks were saved for it. */
  readonly saved: number;
  readonly words: Words;
}

class FormBody extends ReactWidget {
  constructor(private readonly _props: IProps) {
    super();
  }

  protected override render(): React.JSX.Element {
    return <FormView {...this._props} />;
  }
}

/** Stays open until the validation has begun, and shows why it has not. */
export class ValidationDialog extends Dialog<void> {
  constructor(private readonly _props: IProps) {
    super({
      title: _props.words.__(
        'Validate %1',
        subject(_props.form.paths, _props.words)
      ),
      body: new FormBody(_props),
      buttons: [
        Dialog.cancelButton({ label: _props.words.__('Cancel') }),
        Dialog.okButton({ label: _props.words.__('Validate') })
      ],
      focusNodeSelector: '#gpuctl-Limits-time'
    });
  }

  /** `null`: the dialog was closed without. */
  get answer(): ValidationAnswer | null {
    return this._answer;
  }

  override resolve(index = ACCEPT): void {
    if (index === ACCEPT) {
      void this._send();
    } else {
      super.resolve(index);
    }
  }

  override dispose(): void {
    this._props.form.dispose();
    super.dispose();
  }

  private async _send(): Promise<void> {
    const answer = await this._props.form.submit();
    if (answer) {
      this._answer = answer;
      if (!this.isDisposed) {
        super.resolve(ACCEPT);
      }
      return;
    }
    const field = this._props.form.state.problem?.field;
    if (field) {
      const input = `#gpuctl-Limits-${field}`;
      this.node.querySelector<HTMLInputElement>(input)?.focus();
    }
  }

  private _answer: ValidationAnswer | null = null;
}

function FormView(props: IProps): React.JSX.Element {
  const { form, saved, words } = props;
  return (
    <UseSignal signal={form.changed}>
      {() => (
        <div className="gpuctl-Form">
          <p>
            {words.__(
              'Each notebook is run from top to bottom, in a kernel of its own, under these limits. The files stay as they are.'
            )}
            {saved > 0 &&
              ` ${words._n(
                'A notebook with changes was saved, to be validated as it is seen.',
                '%1 notebooks with changes were saved, to be validated as they are seen.',
                saved
              )}`}
          </p>
          <Field
            {...props}
            name="time"
            title={words.__('Time')}
            note={words.__('such as 90s or 10m')}
          />
          <Field
            {...props}
            name="cellTime"
            title={words.__('Time of a cell')}
            note={words.__('such as 30s')}
          />
          <Field
            {...props}
            name="memory"
            title={words.__('Memory')}
            note={words.__('such as 2GiB')}
          />
          {form.hasGpus && (
            <Field
              {...props}
              name="gpuMemory"
              title={words.__('GPU memory')}
              note={words.__('such as 4GiB')}
            />
          )}
          <p className="gpuctl-Form-note">
            {words.__(
              'What is left empty is as the settings of the course say; without any, 10 minutes, and no limit for cells and memory.'
            )}
          </p>
          <Check
            {...props}
            name="again"
            title={words.__('Run also what has passed and has not changed')}
          />
          <Check
            {...props}
            name="cold"
            title={words.__('Start each kernel from nothing')}
          />
          {form.state.problem?.field === null && (
            <p className="gpuctl-Form-problem" role="alert">
              {form.state.problem.text}
            </p>
          )}
          {form.state.isBusy && (
            <p className="gpuctl-Form-note" role="status">
              {words.__('Starting…')}
            </p>
          )}
        </div>
      )}
    </UseSignal>
  );
}

function Field(
  props: IProps & { name: LimitName; title: string; note: string }
): React.JSX.Element {
  const { form, name, title, note } = props;
  const { fields, problem } = form.state;
  const wrong = problem?.field === name;
  const id = `gpuctl-Limits-${name}`;
  return (
    <div className="gpuctl-Form-row">
      <label htmlFor={id}>{title}</label>
      <div className="gpuctl-Form-fields">
        <input
          id={id}
          className="jp-mod-styled"
          type="text"
          size={8}
          autoComplete="off"
          spellCheck={false}
          value={fields[name]}
          aria-invalid={wrong}
          aria-describedby={wrong ? `${id}-problem` : undefined}
          onChange={event => {
            form.set({ [name]: event.target.value });
          }}
        />
        <span className="gpuctl-Form-note">{note}</span>
      </div>
      {wrong && (
        <p className="gpuctl-Form-problem" id={`${id}-problem`} role="alert">
          {problem.text}
        </p>
      )}
    </div>
  );
}

function Check(
  props: IProps & {
    name: keyof ILimitFields & ('again' | 'cold');
    title: string;
  }
): React.JSX.Element {
  const { form, name, title } = props;
  return (
    <label className="gpuctl-Form-check">
      <input
        type="checkbox"
        checked={form.state.fields[name]}
        onChange={event => {
          form.set({ [name]: event.target.checked });
        }}
      />
      {title}
    </label>
  );
}

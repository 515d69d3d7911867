/** The parts of the request form that a person fills in. */

import * as React from 'react';

import type { FieldName, IFields, RequestForm } from '../form';

interface IFieldProps {
  readonly form: RequestForm;
}

/** A title, what is to be filled in, and what is wrong with it. */
export function Row(
  props: React.PropsWithChildren<
    IFieldProps & { name: FieldName; title: string }
  >
): React.JSX.Element {
  const { name, title, children } = props;
  return (
    <div className="gpuctl-Form-row">
      <label htmlFor={`gpuctl-Form-${name}`}>{title}</label>
      <div className="gpuctl-Form-fields">{children}</div>
      <Problem {...props} />
    </div>
  );
}

export function Problem(
  props: IFieldProps & { name: FieldName }
): React.JSX.Element | null {
  const { form, name } = props;
  const { problem } = form.state;
  return problem?.field === name ? (
    <p className="gpuctl-Form-problem" id={`gpuctl-Form-${name}-problem`}>
      {problem.message} {problem.hint}
    </p>
  ) : null;
}

export function Text(
  props: IFieldProps & {
    name: FieldName;
    field: keyof IFields;
    kind?: 'text' | 'number';
    size?: number;
    min?: number;
    max?: number;
    example?: string;
  }
): React.JSX.Element {
  const { form, name, field, kind = 'text', size, min, max, example } = props;
  const wrong = form.state.problem?.field === name;
  return (
    <input
      id={`gpuctl-Form-${name}`}
      className="jp-mod-styled"
      type={kind}
      autoComplete="off"
      spellCheck={false}
      value={form.state.fields[field]}
      placeholder={example}
      aria-invalid={wrong}
      aria-describedby={wrong ? `gpuctl-Form-${name}-problem` : undefined}
      {...{ size, min, max }}
      onChange={event => {
        form.set({ [field]: event.target.value });
      }}
    />
  );
}

export function Choice(
  props: IFieldProps & {
    name: FieldName;
    field: 'model' | 'group';
    none: string;
    options: readonly string[];
  }
): React.JSX.Element {
  const { form, name, field, none, options } = props;
  return (
    <select
      id={`gpuctl-Form-${name}`}
      className="jp-mod-styled"
      value={form.state.fields[field]}
      onChange={event => {
        form.set({ [field]: event.target.value });
      }}
    >
      <option value="">{none}</option>
      {options.map(option => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
  );
}

/** The request form without its looks: fields, and the live verdict on them. */

import { UUID } from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';

import { ApiError } from '../errors';
import type { LeaseAnswer, LeaseRequestBody, PreviewAnswer } from '../wire';

export interface IFields {
  /** Whole GPUs, or a share of one. */
  readonly kind: 'whole' | 'share';
  readonly count: string;
  /** Percent of one GPU. */
  readonly share: string;
  /** The cap of a share, or the least that each GPU must have; may be empty. */
  readonly memory: string;
  readonly duration: string;
  /** Empty: any. */
  readonly model: string;
  readonly group: string;
  readonly note: string;
  /** The id of the kernel that it is for; empty: none. */
  readonly kernel: string;
}

/** The fields that a problem can be about, by their names on the wire. */
export type FieldName =
  'gpus' | 'duration' | 'gpu_memory' | 'gpu_model' | 'group' | 'note';

export interface IProblem {
  /** `null`: the request as a whole. */
  readonly field: FieldName | null;
  readonly message: string;
  readonly hint: string;
}

export interface IFormState {
  readonly fields: IFields;
  readonly preview: PreviewAnswer | null;
  readonly problem: IProblem | null;
  /** Whether the verdict that is shown is on earlier fields. */
  readonly isChecking: boolean;
  readonly isSending: boolean;
}

export interface IFormOptions {
  readonly fields: IFields;
  readonly preview: (body: LeaseRequestBody) => Promise<PreviewAnswer>;
  readonly send: (body: LeaseRequestBody, key: string) => Promise<LeaseAnswer>;
  /** Call later; the answer is for calling it off. */
  readonly later?: (call: () => void, milliseconds: number) => () => void;
}

/** Milliseconds without typing before the server is asked. */
const PAUSE = 300;

const FIELDS: readonly string[] = [
  'gpus',
  'duration',
  'gpu_memory',
  'gpu_model',
  'group',
  'note'
];

export class RequestForm {
  constructor(private readonly _options: IFormOptions) {
    this._state = {
      fields: _options.fields,
      preview: null,
      problem: null,
      isChecking: true,
      isSending: false
    };
    this._check(0);
  }

  get state(): IFormState {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** A person types. */
  set(changes: Partial<IFields>): void {
    const fields = { ...this._state.fields, ...changes };
    this._set({ fields, isChecking: true });
    this._check(PAUSE);
  }

  /** Ask for it; `null` where it was refused, and the state says why. Harmless when called twice. */
  async submit(): Promise<LeaseAnswer | null> {
    if (this._state.isSending) {
      return null;
    }
    this._callOff();
    const turn = ++this._turn;
    const body = bodyOf(this._state.fields);
    this._set({ isSending: true });
    try {
      return await this._options.send(body, this._keyFor(body));
    } catch (reason) {
      // Where a person has typed on meanwhile, it is an answer to something else.
      if (turn === this._turn) {
        const problem = problemOf(reason);
        this._set({ problem, preview: null, isChecking: false });
      }
      return null;
    } finally {
      this._set({ isSending: false });
    }
  }

  dispose(): void {
    this._callOff();
    this._turn += 1;
    Signal.clearData(this);
  }

  private _check(pause: number): void {
    this._callOff();
    const turn = ++this._turn;
    const later = this._options.later ?? wait;
    this._callOff = later(() => {
      void this._preview(turn);
    }, pause);
  }

  private async _preview(turn: number): Promise<void> {
    let outcome: Pick<IFormState, 'preview' | 'problem'>;
    try {
      const body = bodyOf(this._state.fields);
      const preview = await this._options.preview({ ...body, dry_run: true });
      outcome = { preview, problem: null };
    } catch (reason) {
      outcome = { preview: null, problem: problemOf(reason) };
    }
    if (turn === this._turn) {
      this._set({ ...outcome, isChecking: false });
    }
  }

  /** The same request has the same key, sent however often; another one has another. */
  private _keyFor(body: LeaseRequestBody): string {
    const text = JSON.stringify(body);
    if (this._sent?.text !== text) {
      this._sent = { text, key: UUID.uuid4() };
    }
    return this._sent.key;
  }

  private _set(changes: Partial<IFormState>): void {
    this._state = { ...this._state, ...changes };
    this._changed.emit();
  }

  private _state: IFormState;
  private _turn = 0;
  private _sent: { text: string; key: string } | null = null;
  private _callOff: () => void = () => undefined;
  private readonly _changed = new Signal<this, void>(this);
}

function wait(call: () => void, milliseconds: number): () => void {
  const timer = setTimeout(call, milliseconds);
  return () => {
    clearTimeout(timer);
  };
}

/** What is sent. What can't be read is sent as it is: the server says what is wrong with it. */
export function bodyOf(fields: IFields): LeaseRequestBody {
  const { kind, count, share, duration, memory, model, group } = fields;
  return {
    gpus: kind === 'whole' ? number(count, 1) : number(share, 100),
    duration: duration.trim(),
    gpu_memory: memory.trim() || null,
    gpu_model: model || null,
    group: group || null,
    note: fields.note.trim(),
    kernel_id: fields.kernel || null,
    interactive: true,
    dry_run: false
  };
}

function number(text: string, divisor: number): number {
  const value = text.trim() === '' ? NaN : Number(text.replace(',', '.'));
  return Number.isFinite(value) ? value / divisor : (text as unknown as number);
}

function problemOf(reason: unknown): IProblem {
  if (reason instanceof ApiError) {
    const name = reason.detail['name'];
    const isField = typeof name === 'string' && FIELDS.includes(name);
    return {
      field: isField ? (name as FieldName) : null,
      message: reason.message,
      hint: reason.hint
    };
  }
  return {
    field: null,
    message: reason instanceof Error ? reason.message : String(reason),
    hint: ''
  };
}

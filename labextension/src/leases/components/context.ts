/** What every component of the lease wing is handed. */

import type { Words } from '../../format';
import type { AuditAnswer, LeaseAnswer } from '../../wire';
import type { ILeaseState } from '../model';
import type { IPages } from '../pages';
import type { Label } from '../sentences';
import type { IForKernel } from './request-form';

/** What can be done. None of these rejects: what goes wrong is told in a notification. */
export interface ILeaseActions {
  /** Open the form, with some of it filled in. */
  readonly request: (model?: string, kernel?: IForKernel) => void;
  /** Offer durations beside the element that was pressed. */
  readonly extend: (lease: LeaseAnswer, anchor: HTMLElement) => void;
  /** Put what makes a program use its devices into the clipboard. */
  readonly copy: (lease: LeaseAnswer) => void;
  readonly release: (lease: LeaseAnswer) => void;
  readonly accept: (lease: LeaseAnswer) => void;
  readonly decline: (lease: LeaseAnswer) => void;
  /** Leave the queue. */
  readonly cancel: (lease: LeaseAnswer) => void;
  readonly revoke: (lease: LeaseAnswer) => void;
  readonly loadHistory: (more: boolean) => void;
  readonly loadLog: (more: boolean) => void;
}

export interface ILeaseContext {
  readonly words: Words;
  readonly state: ILeaseState;
  /** Ended leases, newest first, as far as they were asked for. */
  readonly history: IPages<LeaseAnswer>;
  /** The audit likewise. */
  readonly log: IPages<AuditAnswer>;
  /** The authority's clock, in milliseconds. */
  readonly now: number;
  readonly label: Label;
  readonly actions: ILeaseActions;
  /** Why nothing can be done now; empty when it can. */
  readonly blocked: string;
}

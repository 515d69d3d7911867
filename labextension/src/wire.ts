/** Short names for the generated wire types. */

import type { components } from './api';

type Schemas = components['schemas'];

export type AuditAnswer = Schemas['AuditAnswer'];
export type AuditsAnswer = Schemas['AuditsAnswer'];
export type Device = Schemas['Device'];
export type Death = Schemas['Death'];
export type DeviceReading = Schemas['DeviceReading'];
export type Driver = Schemas['Driver'];
export type ErrorAnswer = Schemas['ErrorAnswer'];
export type FindingAnswer = Schemas['FindingAnswer'];
export type Gauge = Schemas['Gauge'];
export type GpuProcess = Schemas['GpuProcess'];
export type GpusAnswer = Schemas['GpusAnswer'];
export type HostReading = Schemas['HostReading'];
export type IdleAnswer = Schemas['IdleAnswer'];
export type KernelAnswer = Schemas['KernelAnswer'];
export type KernelReading = Schemas['KernelReading'];
export type KernelsAnswer = Schemas['KernelsAnswer'];
export type LeaseAnswer = Schemas['LeaseAnswer'];
export type LeasePatchBody = Schemas['LeasePatchBody'];
export type LeaseRequestBody = Schemas['LeaseRequestBody'];
export type LeaseStatus = Schemas['LeaseStatus'];
export type LeasesAnswer = Schemas['LeasesAnswer'];
export type Notice = Schemas['Notice'];
export type OverAnswer = Schemas['OverAnswer'];
export type PreviewAnswer = Schemas['PreviewAnswer'];
export type QuotaAnswer = Schemas['QuotaAnswer'];
export type ReservationAnswer = Schemas['ReservationAnswer'];
export type Sample = Schemas['Sample'];
export type Strength = Schemas['Strength'];
export type CheckedNotebook = Schemas['CheckedNotebook'];
export type ReportFormat = Schemas['ReportFormat'];
export type RunningNotebook = Schemas['RunningNotebook'];
export type ValidationAnswer = Schemas['ValidationAnswer'];
export type ValidationBody = Schemas['ValidationBody'];
export type ValidationsAnswer = Schemas['ValidationsAnswer'];
export type Verdict = Schemas['Verdict'];

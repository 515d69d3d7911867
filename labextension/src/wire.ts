/** Short names for the generated wire types. */

import type { components } from './api';

type Schemas = components['schemas'];

export type Device = Schemas['Device'];
export type DeviceReading = Schemas['DeviceReading'];
export type Driver = Schemas['Driver'];
export type ErrorAnswer = Schemas['ErrorAnswer'];
export type GpuProcess = Schemas['GpuProcess'];
export type GpusAnswer = Schemas['GpusAnswer'];
export type HostReading = Schemas['HostReading'];
export type KernelReading = Schemas['KernelReading'];
export type Notice = Schemas['Notice'];
export type Sample = Schemas['Sample'];

import gpus from './gpus/plugin';
import leases from './leases/plugin';

export default [...gpus, ...leases];

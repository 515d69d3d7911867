import gpus from './gpus/plugin';
import kernels from './kernels/plugin';
import leases from './leases/plugin';
import validation from './validation/plugin';

export default [...gpus, ...leases, ...kernels, ...validation];

import 'uplot/dist/uPlot.min.css';
import './base.css';
import './leases.css';
import './kernels.css';
import './validation.css';

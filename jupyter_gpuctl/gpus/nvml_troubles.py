"""What NVML's errors mean to people, and what to do about each. Pure.

Codes are those of NVIDIA's public ``nvml.h`` (``nvmlReturn_t``).
"""

from __future__ import annotations

from .model import Driver, DriverStatus

LIBRARY = "libnvidia-ml.so.1"

UNINITIALIZED = 1
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
RESET_REQUIRED = 16
LIB_RM_VERSION_MISMATCH = 18
ARGUMENT_VERSION_MISMATCH = 25
UNKNOWN = 999

LOST = frozenset({GPU_IS_LOST, RESET_REQUIRED})
"""The device answers nothing until it is reset."""
REFUSED = frozenset({NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, ARGUMENT_VERSION_MISMATCH})
"""The same question will be answered the same way for a while."""
STALE = frozenset({INVALID_ARGUMENT, NOT_FOUND})
"""What a handle answers that was taken before the device was made anew."""
AWAY = frozenset({UNINITIALIZED, DRIVER_NOT_LOADED, LIB_RM_VERSION_MISMATCH})
"""The driver as a whole doesn't answer any more."""

_CONTAINER = "In a container, start it with GPUs (docker run --gpus all)."
_TELLS = {
    LIBRARY_NOT_FOUND: (
        DriverStatus.MISSING,
        "No NVIDIA driver was found on this machine.",
        f"If it has a GPU, install the driver and start this server again. {_CONTAINER}",
    ),
    DRIVER_NOT_LOADED: (
        DriverStatus.MISSING,
        "The NVIDIA driver is installed but not loaded.",
        f"If this machine has a GPU, load the driver (sudo modprobe nvidia). {_CONTAINER}",
    ),
    LIB_RM_VERSION_MISMATCH: (
        DriverStatus.MISMATCH,
        "The NVIDIA driver was updated while it was running: its kernel module and its library "
        "are of different versions.",
        "Restart the machine. In a container, restart the container after that.",
    ),
    NO_PERMISSION: (
        DriverStatus.ERROR,
        "The NVIDIA driver doesn't let this user in.",
        "Ask for access to /dev/nvidiactl and /dev/nvidia*; nvidia-smi must work for the user "
        "who runs this server.",
    ),
    FUNCTION_NOT_FOUND: (
        DriverStatus.ERROR,
        f"{LIBRARY} was loaded, but it is not NVIDIA's library, or much too old.",
        "Find out where it comes from (ldconfig -p | grep nvidia-ml, LD_LIBRARY_PATH), install "
        "the driver again, and start this server again.",
    ),
    UNINITIALIZED: (
        DriverStatus.ERROR,
        "The connection to the NVIDIA driver is closed.",
        "It is opened again by itself.",
    ),
}


def driver_trouble(code: int, text: str, *, cause: str = "") -> Driver:
    """The driver's state after it failed with ``code``.

    ``text`` is NVML's own word for the code; ``cause`` is what the loader said of the library.
    """
    if code == LIBRARY_NOT_FOUND and cause and not _is_absence(cause):
        return Driver(
            DriverStatus.ERROR,
            "nvml",
            message=f"The driver library can't be loaded: {cause}.",
            hint="Install the NVIDIA driver again, and start this server again.",
        )
    if code in _TELLS:
        status, message, hint = _TELLS[code]
    else:
        status = DriverStatus.ERROR
        message = f"The NVIDIA driver answers: {text} (error {code})."
        hint = "See whether nvidia-smi works; the system's log (dmesg) may have NVRM or Xid lines."
    return Driver(status, "nvml", message=message, hint=hint)


def _is_absence(cause: str) -> bool:
    """Whether the loader looked for the library itself, and there was none."""
    return cause.startswith(LIBRARY) and "No such file" in cause


def no_gpu(version: str | None, cuda_version: str | None) -> Driver:
    """A driver that works and has nothing to drive."""
    return Driver(
        DriverStatus.MISSING,
        "nvml",
        version=version,
        cuda_version=cuda_version,
        message="The NVIDIA driver works, but it finds no GPU.",
        hint=f"See whether nvidia-smi -L lists one. {_CONTAINER}",
    )


def device_trouble(code: int, text: str, *, instance: bool) -> str:
    """One sentence on a device that can't be read."""
    if code == GPU_IS_LOST:
        return "This GPU has fallen off the bus; it comes back after a reset or a reboot."
    if code == RESET_REQUIRED:
        return "This GPU must be reset before it can be used (nvidia-smi --gpu-reset)."
    if code in STALE:
        return "This MIG instance is gone." if instance else "The driver doesn't know this GPU."
    if code in AWAY:
        return _TELLS[code][1]
    if code == NO_PERMISSION:
        return "The driver doesn't let this user read this GPU."
    return f"The driver can't read this GPU: {text} (error {code})."


def changed_process_struct(version: str | None) -> bool:
    """Whether version 3 of the process lists has entries of another size than it should.

    Drivers 535.43 to before 535.86 [nvitop#75, nvitop#88, gpustat#161]; version 2 is right there.
    """
    numbers = (version or "").split(".")
    if len(numbers) < 2 or not (numbers[0].isdigit() and numbers[1].isdigit()):
        return False
    return (535, 43) <= (int(numbers[0]), int(numbers[1])) < (535, 86)

/** Where Balance runs, said before anything is fetched or started. */
import { BalanceError } from '../../domain/types/errors.js';

/** The facts of a machine that decide whether the server binaries run on it. */
export interface Machine {
  /** As `process.platform` names it. */
  readonly os: string;
  /** As `process.arch` names it. */
  readonly cpu: string;
  /** On Linux: true when the C library is glibc (musl has no server binaries). True elsewhere. */
  readonly glibc: boolean;
}

/** Reads the facts of this machine. */
export function thisMachine(): Machine {
  return { os: process.platform, cpu: process.arch, glibc: process.platform !== 'linux' || hasGlibc() };
}

function hasGlibc(): boolean {
  // The property is newer than its type. Without it, the report resolves the name of every open socket.
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report;
  report.excludeNetwork = true;
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}

/**
 * Refuses a machine for which no server binaries exist.
 * @throws BalanceError `UnsupportedPlatform` naming what is supported and what this machine is.
 */
export function checkPlatform(machine: Machine = thisMachine()): void {
  const osKnown = machine.os === 'linux' || machine.os === 'darwin';
  const cpuKnown = machine.cpu === 'x64' || machine.cpu === 'arm64';
  if (osKnown && cpuKnown && machine.glibc) return;
  throw new BalanceError('usage', {
    type: 'UnsupportedPlatform',
    message: 'Balance has no embedded servers for this machine.',
    expected: 'Linux with glibc or macOS, on x64 or arm64',
    got: `${machine.os} ${machine.cpu}${machine.glibc ? '' : ' with a C library that is not glibc (musl)'}`,
    hint:
      machine.os === 'win32'
        ? 'Run Balance inside WSL 2.'
        : 'Use a glibc image such as Debian, or point TEMPORAL_ADDRESS and DATABASE_URL at servers that run elsewhere.',
  });
}

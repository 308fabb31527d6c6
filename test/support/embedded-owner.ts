/** A process that starts the embedded servers of the folder in argv[2], prints what it got as one JSON line, and stays. */
import { startEmbedded } from '../../workers/embedded/index.js';

const lines: string[] = [];
const { databaseUrl, temporalAddress } = await startEmbedded(process.argv[2], (line) => void lines.push(line));
process.stdout.write(JSON.stringify({ databaseUrl, temporalAddress, lines }) + '\n');
setInterval(() => undefined, 1 << 30);

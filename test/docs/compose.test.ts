/** temporal-compose.yml: what starts after what, what is kept, and that no variable is misspelt. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly restart?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly healthcheck?: object;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
}
const text = readFileSync('temporal-compose.yml', 'utf8');
const { services, volumes } = parse(text) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
};
const variables = (name: string): string[] => Object.keys(services[name].environment ?? {});

/** What the server's configuration template (1.31.2, config_template_embedded.yaml) and its image read. */
const READ_BY_SERVER = [
  'DB',
  'DB_PORT',
  'POSTGRES_SEEDS',
  'POSTGRES_USER',
  'POSTGRES_PWD',
  'DBNAME',
  'VISIBILITY_DBNAME',
  'NUM_HISTORY_SHARDS',
  'BIND_ON_IP',
  'DYNAMIC_CONFIG_FILE_PATH',
];

describe('temporal-compose.yml', () => {
  test('each service waits for what it needs', () => {
    const order = Object.fromEntries(
      Object.entries(services).map(([name, { depends_on: needs = {} }]) => [
        name,
        Object.entries(needs).map(([other, { condition }]) => `${other} ${condition}`),
      ]),
    );
    expect(order).toEqual({
      postgresql: [],
      'temporal-schema': ['postgresql service_healthy'],
      temporal: ['temporal-schema service_completed_successfully'],
      'temporal-namespace': ['temporal service_healthy'],
      'temporal-ui': ['temporal-namespace service_completed_successfully'],
      balance: ['postgresql service_healthy', 'temporal-namespace service_completed_successfully'],
    });
  });

  test('who is waited for as healthy says when it is; who is waited for as completed is not started again then', () => {
    for (const { depends_on: needs = {} } of Object.values(services)) {
      for (const [name, { condition }] of Object.entries(needs)) {
        if (condition === 'service_healthy') expect(services[name].healthcheck, name).toBeDefined();
        else expect(services[name].restart, name).toMatch(/^on-failure:\d+$/);
      }
    }
  });

  test('every volume is named and declared, or a file of the project', () => {
    for (const [name, { volumes: mounts = [] }] of Object.entries(services)) {
      for (const mount of mounts) {
        const source = mount.replace(/\$\{\w+:-([^}]+)\}/, '$1').split(':')[0];
        expect(mount, `${name}: anonymous`).toContain(':');
        if (source.startsWith('./')) expect(existsSync(source), source).toBe(true);
        else expect(Object.keys(volumes), name).toContain(source);
      }
    }
    expect(services.postgresql.volumes).toEqual(['postgresql-data:/var/lib/postgresql/data']);
  });

  test('every image is pinned to a whole version', () => {
    for (const { image } of Object.values(services)) expect(image).toMatch(/:\d+\.\d+(\.\d+)?(-\w+)?$/);
    expect(text).not.toContain('auto-setup');
    expect(services['temporal-schema'].image?.split(':')[1]).toBe(services.temporal.image?.split(':')[1]);
  });

  test('no secret stands in the file: the password must be given', () => {
    const secrets = Object.values(services).flatMap(({ environment = {} }) =>
      Object.entries(environment).filter(([key]) => /PASSWORD|PWD|DATABASE_URL/.test(key)),
    );
    expect(secrets).toHaveLength(4);
    for (const [key, value] of secrets) expect(value, key).toContain('${POSTGRES_PASSWORD:?');
  });

  test('ports are open on this machine only', () => {
    const open = Object.values(services).flatMap(({ ports = [] }) => ports);
    expect(open.length).toBeGreaterThan(0);
    for (const port of open) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  test('every variable is one that its reader knows', () => {
    expect(variables('temporal').sort()).toEqual([...READ_BY_SERVER].sort());
    expect(Number(services.temporal.environment?.NUM_HISTORY_SHARDS)).toBeGreaterThanOrEqual(512);
    expect(variables('balance').sort()).toEqual(
      ['BALANCE_DELIVERIES_DIR', 'DATABASE_URL', 'TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE'].sort(),
    );
    const worker = readFileSync('cli/run-up.ts', 'utf8');
    for (const name of variables('balance')) expect(worker).toContain(name);
  });

  test.each(['temporal-schema', 'temporal-namespace'])('%s has every variable that its script reads', (name) => {
    const script = readFileSync(`.${services[name].entrypoint![1]}`, 'utf8');
    const read = [...new Set([...script.matchAll(/\$\{?([A-Z][A-Z_]+)/g)].map((match) => match[1]))];
    expect(variables(name)).toEqual(expect.arrayContaining(read));
    const tool = name === 'temporal-schema' ? ['SQL_PLUGIN', 'SQL_HOST', 'SQL_PORT', 'SQL_USER', 'SQL_PASSWORD'] : [];
    expect(variables(name).sort()).toEqual([...new Set([...read, ...tool])].sort());
  });

  test('fairness and eager execution are on, in the file that the server is told to read', () => {
    const { environment, volumes: mounts } = services.temporal;
    const inside = `/etc/temporal/${environment?.DYNAMIC_CONFIG_FILE_PATH}`;
    expect(mounts).toEqual([`./compose/dynamic-config.yaml:${inside}:ro`]);
    const on = [{ value: true }];
    expect(parse(readFileSync('compose/dynamic-config.yaml', 'utf8'))).toEqual({
      'matching.enableFairness': on,
      'system.enableActivityEagerExecution': on,
    });
  });

  test('the search attributes are those of the workflows', () => {
    const script = readFileSync('compose/setup-namespace.sh', 'utf8');
    const made = [...script.matchAll(/^attribute (\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    const contract = readFileSync('workflows/contract.ts', 'utf8');
    const wanted = [...contract.matchAll(/defineSearchAttributeKey\('(\w+)', SearchAttributeType\.(\w+)\)/g)].map(
      ([, name, type]) => `${name} ${type === 'KEYWORD_LIST' ? 'KeywordList' : 'Keyword'}`,
    );
    expect(made).toEqual(wanted);
    expect(made).toHaveLength(4);
  });

  test('the image of the worker is built from what is copied, and starts `balance`', () => {
    const dockerfile = readFileSync('Dockerfile', 'utf8');
    expect(services.balance.build).toBe('.');
    expect(services.balance.command).toEqual(['worker', '--config', '/config/balance.yaml']);
    expect(dockerfile).toContain('ENTRYPOINT ["node", "dist/cli/main.js"]');
    for (const [, image] of dockerfile.matchAll(/^FROM (\S+)/gm)) expect(image).toMatch(/^node:\d+\.\d+\.\d+-/);
    expect(dockerfile).toMatch(/^USER node$/m);
    const { include } = JSON.parse(readFileSync('tsconfig.build.json', 'utf8')) as { readonly include: string[] };
    const copied = readFileSync('.dockerignore', 'utf8').split('\n');
    for (const room of [...include, 'package.json', 'package-lock.json', 'scripts', 'tsconfig.json'])
      expect(copied).toContain(`!${room}`);
  });
});

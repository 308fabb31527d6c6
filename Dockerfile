# Built and run on Debian: the server binaries and the data plane need glibc.
FROM node:22.20.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN node scripts/build.mjs --clean && npm prune --omit=dev --no-audit --no-fund

FROM node:22.20.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/package.json /app/balance.yaml /app/LICENSE ./
# A new volume takes over the owner of the folder that it is mounted on.
RUN mkdir -p /deliveries /app/.balance && chown node:node /deliveries /app/.balance
USER node
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["worker"]

CREATE TABLE "need_states" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"need_id" text NOT NULL,
	"served_up_to_ms" bigint,
	"last_from_ms" bigint,
	"last_rows" integer,
	"owed_rows" integer DEFAULT 0 NOT NULL,
	"short_cycles" integer DEFAULT 0 NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "need_states_tenant_pool_need_id_pk" PRIMARY KEY("tenant","pool","need_id"),
	CONSTRAINT "need_states_counts" CHECK ("need_states"."owed_rows" >= 0 and "need_states"."short_cycles" >= 0)
);
--> statement-breakpoint
ALTER TABLE "cycles" ADD COLUMN "schedule_id" text;--> statement-breakpoint
ALTER TABLE "cycles" ADD COLUMN "nominal_ms" bigint;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "up_to_ms" bigint;--> statement-breakpoint
ALTER TABLE "requests" ADD COLUMN "window" jsonb;--> statement-breakpoint
ALTER TABLE "requests" ADD COLUMN "owed_rows" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "cycles_slice" ON "cycles" USING btree ("tenant","pool","schedule_id","nominal_ms") WHERE "cycles"."schedule_id" is not null;--> statement-breakpoint
ALTER TABLE "cycles" ADD CONSTRAINT "cycles_slice_whole" CHECK (("cycles"."schedule_id" is null) = ("cycles"."nominal_ms" is null));--> statement-breakpoint
INSERT INTO "need_states" ("tenant", "pool", "need_id", "served_up_to_ms", "updated_at")
SELECT "tenant", "pool", "need_id", max("as_of_ms"), now() FROM "deliveries"
WHERE "need_id" IS NOT NULL AND "served" <> 'last-good' GROUP BY "tenant", "pool", "need_id";

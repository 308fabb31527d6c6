CREATE TABLE "batches" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"id" text NOT NULL,
	"decision_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"source" text NOT NULL,
	"dataset" text NOT NULL,
	"content_id" text,
	"as_of_ms" bigint NOT NULL,
	"state" text DEFAULT 'planned' NOT NULL,
	"plan" jsonb NOT NULL,
	"result" jsonb,
	"error" jsonb,
	"predicted_bytes" bigint NOT NULL,
	"predicted_ms" double precision,
	"actual_bytes" bigint,
	"actual_ms" double precision,
	"asked_bytes" bigint,
	CONSTRAINT "batches_tenant_pool_id_pk" PRIMARY KEY("tenant","pool","id"),
	CONSTRAINT "batches_order" UNIQUE("tenant","pool","decision_id","ordinal"),
	CONSTRAINT "batches_done_with_result" CHECK (("batches"."state" = 'done') = ("batches"."result" is not null)),
	CONSTRAINT "batches_failed_with_error" CHECK (("batches"."state" = 'failed') = ("batches"."error" is not null))
);
--> statement-breakpoint
CREATE TABLE "cycles" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"id" uuid NOT NULL,
	"number" integer NOT NULL,
	"trigger" text NOT NULL,
	"as_of_ms" bigint NOT NULL,
	"workflow_id" text NOT NULL,
	"run_id" text NOT NULL,
	"opened_at" timestamp with time zone NOT NULL,
	"closed_at" timestamp with time zone,
	CONSTRAINT "cycles_tenant_pool_id_pk" PRIMARY KEY("tenant","pool","id"),
	CONSTRAINT "cycles_number" UNIQUE("tenant","pool","number"),
	CONSTRAINT "cycles_trigger" CHECK ("cycles"."trigger" in ('manual', 'schedule', 'work', 'backfill'))
);
--> statement-breakpoint
CREATE TABLE "decision_stages" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"decision_id" uuid NOT NULL,
	"stage" text NOT NULL,
	"ordinal" integer NOT NULL,
	"state" text NOT NULL,
	"inputs" jsonb NOT NULL,
	"input_digest" text NOT NULL,
	"outcome" jsonb NOT NULL,
	"outcome_digest" text NOT NULL,
	"reasons" jsonb NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone NOT NULL,
	CONSTRAINT "decision_stages_tenant_pool_decision_id_stage_pk" PRIMARY KEY("tenant","pool","decision_id","stage"),
	CONSTRAINT "decision_stages_state" CHECK ("decision_stages"."state" in ('ok', 'degraded', 'failed'))
);
--> statement-breakpoint
CREATE TABLE "decisions" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"id" uuid NOT NULL,
	"pool_version" integer NOT NULL,
	"state" text DEFAULT 'open' NOT NULL,
	"outcome" text,
	"risk" text,
	"summary" text,
	"reasons" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"impact" jsonb,
	"versions" jsonb NOT NULL,
	"digest" text,
	"opened_at" timestamp with time zone NOT NULL,
	"closed_at" timestamp with time zone,
	CONSTRAINT "decisions_tenant_pool_id_pk" PRIMARY KEY("tenant","pool","id"),
	CONSTRAINT "decisions_closed_with_outcome" CHECK (("decisions"."state" = 'closed') = ("decisions"."outcome" is not null and "decisions"."closed_at" is not null)),
	CONSTRAINT "decisions_outcome" CHECK ("decisions"."outcome" in ('delivered', 'partial', 'empty', 'rejected', 'failed', 'cancelled'))
);
--> statement-breakpoint
CREATE TABLE "deliveries" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"id" uuid NOT NULL,
	"request_id" uuid NOT NULL,
	"decision_id" uuid NOT NULL,
	"model" text NOT NULL,
	"dataset" text NOT NULL,
	"need_id" text,
	"path" text NOT NULL,
	"digest" text NOT NULL,
	"rows" integer NOT NULL,
	"bytes" bigint NOT NULL,
	"file_bytes" bigint NOT NULL,
	"charged_bytes" bigint NOT NULL,
	"content_id" text NOT NULL,
	"as_of_ms" bigint NOT NULL,
	"newest_event_ms" bigint,
	"verdict" text NOT NULL,
	"score" double precision NOT NULL,
	"served" text NOT NULL,
	"report" jsonb NOT NULL,
	"lease_until" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "deliveries_tenant_pool_id_pk" PRIMARY KEY("tenant","pool","id"),
	CONSTRAINT "deliveries_request" UNIQUE("tenant","pool","request_id"),
	CONSTRAINT "deliveries_verdict" CHECK ("deliveries"."verdict" in ('pass', 'degrade')),
	CONSTRAINT "deliveries_served" CHECK ("deliveries"."served" in ('read', 'merged', 'cache', 'last-good')),
	CONSTRAINT "deliveries_counts" CHECK ("deliveries"."rows" >= 0 and "deliveries"."bytes" >= 0 and "deliveries"."file_bytes" >= 0 and "deliveries"."charged_bytes" >= 0)
);
--> statement-breakpoint
CREATE TABLE "forecasts" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"decision_id" uuid NOT NULL,
	"series" text NOT NULL,
	"target_ms" bigint NOT NULL,
	"mean" double precision NOT NULL,
	"lower" double precision NOT NULL,
	"upper" double precision NOT NULL,
	"level" double precision NOT NULL,
	"method" text NOT NULL,
	"reliable" boolean NOT NULL,
	"actual" double precision,
	CONSTRAINT "forecasts_tenant_pool_decision_id_series_target_ms_pk" PRIMARY KEY("tenant","pool","decision_id","series","target_ms")
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"kind" text NOT NULL,
	"subject" uuid NOT NULL,
	"decision_id" uuid,
	"payload" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"published_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "pool_versions" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"version" integer NOT NULL,
	"definition" jsonb NOT NULL,
	"digest" text NOT NULL,
	"applied_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "pool_versions_tenant_pool_version_pk" PRIMARY KEY("tenant","pool","version")
);
--> statement-breakpoint
CREATE TABLE "pools" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"version" integer NOT NULL,
	"definition" jsonb NOT NULL,
	"digest" text NOT NULL,
	"base_dir" text NOT NULL,
	"clock_ms" bigint,
	"cycle_number" integer DEFAULT 0 NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "pools_tenant_pool_pk" PRIMARY KEY("tenant","pool")
);
--> statement-breakpoint
CREATE TABLE "requests" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"id" uuid NOT NULL,
	"kind" text NOT NULL,
	"need_id" text,
	"model" text NOT NULL,
	"dataset" text NOT NULL,
	"fields" jsonb NOT NULL,
	"predicate" jsonb NOT NULL,
	"rows" integer,
	"seed" integer NOT NULL,
	"max_age_ms" bigint,
	"deadline_at" timestamp with time zone,
	"priority" integer NOT NULL,
	"dataset_version" text,
	"idempotency_key" text NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"decision_id" uuid,
	"waiting" jsonb,
	"not_before" timestamp with time zone NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"cancel_requested_at" timestamp with time zone,
	"created_at" timestamp with time zone NOT NULL,
	"closed_at" timestamp with time zone,
	CONSTRAINT "requests_tenant_pool_id_pk" PRIMARY KEY("tenant","pool","id"),
	CONSTRAINT "requests_idempotency" UNIQUE("tenant","pool","idempotency_key"),
	CONSTRAINT "requests_state" CHECK ("requests"."state" in ('pending', 'claimed', 'delivered', 'refused', 'quarantined', 'expired', 'cancelled')),
	CONSTRAINT "requests_closed" CHECK (("requests"."state" in ('pending', 'claimed')) = ("requests"."closed_at" is null)),
	CONSTRAINT "requests_decided" CHECK ("requests"."state" not in ('claimed', 'delivered', 'quarantined') or "requests"."decision_id" is not null),
	CONSTRAINT "requests_rows" CHECK ("requests"."rows" is null or "requests"."rows" > 0),
	CONSTRAINT "requests_priority" CHECK ("requests"."priority" between 1 and 5),
	CONSTRAINT "requests_need" CHECK (("requests"."kind" = 'need') = ("requests"."need_id" is not null))
);
--> statement-breakpoint
CREATE TABLE "budgets" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"resource" text NOT NULL,
	"tokens" double precision NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "budgets_tenant_pool_resource_pk" PRIMARY KEY("tenant","pool","resource")
);
--> statement-breakpoint
CREATE TABLE "cache_entries" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"shape" text NOT NULL,
	"content_id" text NOT NULL,
	"as_of_ms" bigint NOT NULL,
	"path" text NOT NULL,
	"file_bytes" bigint NOT NULL,
	"slice" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone NOT NULL,
	CONSTRAINT "cache_entries_tenant_pool_shape_content_id_as_of_ms_pk" PRIMARY KEY("tenant","pool","shape","content_id","as_of_ms")
);
--> statement-breakpoint
CREATE TABLE "metric_history" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"metric" text NOT NULL,
	"subject" text NOT NULL,
	"at_ms" bigint NOT NULL,
	"value" double precision NOT NULL,
	"decision_id" uuid,
	"recorded_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "metric_history_tenant_pool_metric_subject_at_ms_pk" PRIMARY KEY("tenant","pool","metric","subject","at_ms")
);
--> statement-breakpoint
CREATE TABLE "profiles" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"dataset" text NOT NULL,
	"version" text NOT NULL,
	"as_of_ms" bigint NOT NULL,
	"state" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "profiles_tenant_pool_dataset_version_as_of_ms_pk" PRIMARY KEY("tenant","pool","dataset","version","as_of_ms")
);
--> statement-breakpoint
CREATE TABLE "removed_files" (
	"path" text PRIMARY KEY NOT NULL,
	"removed_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "series_states" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"series" text NOT NULL,
	"step_ms" bigint NOT NULL,
	"up_to_ms" bigint NOT NULL,
	"snapshot" jsonb NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "series_states_tenant_pool_series_pk" PRIMARY KEY("tenant","pool","series")
);
--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_tenant_pool_decision_id_decisions_tenant_pool_id_fk" FOREIGN KEY ("tenant","pool","decision_id") REFERENCES "public"."decisions"("tenant","pool","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "decision_stages" ADD CONSTRAINT "decision_stages_tenant_pool_decision_id_decisions_tenant_pool_id_fk" FOREIGN KEY ("tenant","pool","decision_id") REFERENCES "public"."decisions"("tenant","pool","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "decisions" ADD CONSTRAINT "decisions_tenant_pool_id_cycles_tenant_pool_id_fk" FOREIGN KEY ("tenant","pool","id") REFERENCES "public"."cycles"("tenant","pool","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_tenant_pool_request_id_requests_tenant_pool_id_fk" FOREIGN KEY ("tenant","pool","request_id") REFERENCES "public"."requests"("tenant","pool","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "forecasts" ADD CONSTRAINT "forecasts_tenant_pool_decision_id_decisions_tenant_pool_id_fk" FOREIGN KEY ("tenant","pool","decision_id") REFERENCES "public"."decisions"("tenant","pool","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "decisions_recent" ON "decisions" USING btree ("tenant","pool","opened_at");--> statement-breakpoint
CREATE INDEX "deliveries_decision" ON "deliveries" USING btree ("tenant","pool","decision_id");--> statement-breakpoint
CREATE INDEX "deliveries_need" ON "deliveries" USING btree ("tenant","pool","need_id","as_of_ms");--> statement-breakpoint
CREATE INDEX "deliveries_path" ON "deliveries" USING btree ("path","lease_until");--> statement-breakpoint
CREATE INDEX "forecasts_open" ON "forecasts" USING btree ("tenant","pool","series","target_ms") WHERE "forecasts"."actual" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "outbox_once" ON "outbox" USING btree ("tenant","pool","kind","subject");--> statement-breakpoint
CREATE INDEX "outbox_unpublished" ON "outbox" USING btree ("id") WHERE "outbox"."published_at" is null;--> statement-breakpoint
CREATE INDEX "requests_pending" ON "requests" USING btree ("tenant","pool","not_before") WHERE "requests"."state" = 'pending';--> statement-breakpoint
CREATE INDEX "requests_decision" ON "requests" USING btree ("tenant","pool","decision_id");--> statement-breakpoint
CREATE INDEX "cache_entries_path" ON "cache_entries" USING btree ("path");--> statement-breakpoint
CREATE INDEX "cache_entries_used" ON "cache_entries" USING btree ("used_at");
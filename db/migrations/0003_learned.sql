CREATE TABLE "learned" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"kind" text NOT NULL,
	"subject" text NOT NULL,
	"state" jsonb NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "learned_tenant_pool_kind_subject_pk" PRIMARY KEY("tenant","pool","kind","subject")
);
--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "predicted_memory_bytes" bigint;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "predicted_start_ms" double precision;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "alone_ms" double precision;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "actual_memory_bytes" bigint;--> statement-breakpoint
ALTER TABLE "cache_entries" ADD COLUMN "cost_ms" double precision DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "cache_entries" ADD COLUMN "uses" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "cache_entries" ADD COLUMN "worth" double precision DEFAULT 0 NOT NULL;
CREATE TABLE "prefetches" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"decision_id" uuid NOT NULL,
	"shape" text NOT NULL,
	"model" text NOT NULL,
	"dataset" text NOT NULL,
	"as_of_ms" bigint NOT NULL,
	"from_ms" bigint NOT NULL,
	"until_ms" bigint NOT NULL,
	"probability" double precision NOT NULL,
	"bytes" double precision NOT NULL,
	"asked_ms" bigint,
	"served" integer DEFAULT 0 NOT NULL,
	"ended" boolean DEFAULT false NOT NULL,
	CONSTRAINT "prefetches_tenant_pool_decision_id_shape_pk" PRIMARY KEY("tenant","pool","decision_id","shape")
);
--> statement-breakpoint
CREATE TABLE "recurrences" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"shape" text NOT NULL,
	"model" text NOT NULL,
	"dataset" text NOT NULL,
	"ask" jsonb NOT NULL,
	"asked_ms" bigint[] NOT NULL,
	"last_ms" bigint NOT NULL,
	"result_rows" integer NOT NULL,
	"result_bytes" double precision NOT NULL,
	"held" double precision DEFAULT 0 NOT NULL,
	"failed" double precision DEFAULT 0 NOT NULL,
	"promised_until_ms" bigint,
	"promised_by" uuid,
	"promise_read" boolean DEFAULT false NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "recurrences_tenant_pool_shape_pk" PRIMARY KEY("tenant","pool","shape")
);
--> statement-breakpoint
ALTER TABLE "prefetches" ADD CONSTRAINT "prefetches_tenant_pool_decision_id_decisions_tenant_pool_id_fk" FOREIGN KEY ("tenant","pool","decision_id") REFERENCES "public"."decisions"("tenant","pool","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "prefetches_open" ON "prefetches" USING btree ("tenant","pool","shape") WHERE not "prefetches"."ended";--> statement-breakpoint
CREATE INDEX "recurrences_often" ON "recurrences" USING btree ("tenant","pool") WHERE cardinality("recurrences"."asked_ms") >= 3;--> statement-breakpoint
CREATE INDEX "recurrences_promised" ON "recurrences" USING btree ("tenant","pool","promised_until_ms") WHERE "recurrences"."promised_until_ms" is not null;
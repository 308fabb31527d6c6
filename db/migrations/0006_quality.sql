CREATE TABLE "corrections" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"decision_id" uuid NOT NULL,
	"request_id" uuid NOT NULL,
	"need_id" text,
	"dataset" text NOT NULL,
	"issue" text NOT NULL,
	"action" text NOT NULL,
	"applied" boolean NOT NULL,
	"verdict" text NOT NULL,
	"predicted_delta" double precision NOT NULL,
	"measured_delta" double precision,
	"standard_error" double precision,
	"reason" text NOT NULL,
	"effect" jsonb,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "corrections_tenant_pool_decision_id_request_id_pk" PRIMARY KEY("tenant","pool","decision_id","request_id"),
	CONSTRAINT "corrections_verdict" CHECK ("corrections"."verdict" in ('keep', 'undecided', 'roll-back', 'failed')),
	CONSTRAINT "corrections_applied" CHECK (not ("corrections"."applied" and "corrections"."verdict" in ('roll-back', 'failed')))
);
--> statement-breakpoint
CREATE TABLE "data_asks" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"need_id" text NOT NULL,
	"asked_at" timestamp with time zone NOT NULL,
	"rows" jsonb NOT NULL,
	CONSTRAINT "data_asks_tenant_pool_need_id_pk" PRIMARY KEY("tenant","pool","need_id")
);
--> statement-breakpoint
CREATE TABLE "need_references" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"need_id" text NOT NULL,
	"reference" jsonb NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "need_references_tenant_pool_need_id_pk" PRIMARY KEY("tenant","pool","need_id")
);
--> statement-breakpoint
CREATE TABLE "strategies" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"state" jsonb NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "strategies_tenant_pool_pk" PRIMARY KEY("tenant","pool")
);
--> statement-breakpoint
ALTER TABLE "corrections" ADD CONSTRAINT "corrections_tenant_pool_decision_id_decisions_tenant_pool_id_fk" FOREIGN KEY ("tenant","pool","decision_id") REFERENCES "public"."decisions"("tenant","pool","id") ON DELETE cascade ON UPDATE no action;
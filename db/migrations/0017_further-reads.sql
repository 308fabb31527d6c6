CREATE TABLE "further_reads" (
	"tenant" text NOT NULL,
	"pool" text NOT NULL,
	"decision_id" uuid NOT NULL,
	"id" text NOT NULL,
	"source" text NOT NULL,
	"bytes" double precision NOT NULL,
	"read_at" timestamp with time zone NOT NULL,
	CONSTRAINT "further_reads_tenant_pool_decision_id_id_pk" PRIMARY KEY("tenant","pool","decision_id","id")
);

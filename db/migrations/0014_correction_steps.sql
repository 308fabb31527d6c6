ALTER TABLE "corrections" ADD COLUMN "step" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "corrections" DROP CONSTRAINT "corrections_tenant_pool_decision_id_request_id_pk";--> statement-breakpoint
ALTER TABLE "corrections" ADD CONSTRAINT "corrections_tenant_pool_decision_id_request_id_step_pk" PRIMARY KEY("tenant","pool","decision_id","request_id","step");
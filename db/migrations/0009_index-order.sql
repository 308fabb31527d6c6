ALTER TABLE "requests" DROP CONSTRAINT "requests_idempotency";--> statement-breakpoint
DROP INDEX "deliveries_decision";--> statement-breakpoint
DROP INDEX "deliveries_need";--> statement-breakpoint
DROP INDEX "requests_decision";--> statement-breakpoint
CREATE INDEX "deliveries_decision" ON "deliveries" USING btree ("decision_id","tenant","pool");--> statement-breakpoint
CREATE INDEX "deliveries_need" ON "deliveries" USING btree ("need_id","tenant","pool","as_of_ms");--> statement-breakpoint
CREATE INDEX "requests_decision" ON "requests" USING btree ("decision_id","tenant","pool");--> statement-breakpoint
ALTER TABLE "requests" ADD CONSTRAINT "requests_idempotency" UNIQUE("idempotency_key","tenant","pool");